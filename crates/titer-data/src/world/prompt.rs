//! System prompts: sentences put together, and the instructions among them.

use rand::RngExt;

use super::{
    instructions::{Instruction, InstructionSet},
    request::{Request, other_trigger},
    sentences::{self, Wording},
};
use crate::{
    cell::PromptKind,
    chat::{Message, Role},
    stream::below,
};

/// How often a prompt has a neutral sentence beside what it is there for.
const NEUTRAL_BESIDE: f64 = 0.3;
/// How often an instruction prompt carries two instructions.
const TWO_INSTRUCTIONS: f64 = 0.3;

/// A system prompt, with what its instructions do to a reply.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Prompt {
    /// Its sentences in order; none means that there is no system message.
    pub sentences: Vec<String>,
    /// The harmless instructions among them.
    pub instructions: Vec<Instruction>,
}

impl Prompt {
    /// No system message.
    pub(super) const fn none() -> Self {
        Self { sentences: Vec::new(), instructions: Vec::new() }
    }

    /// One or two neutral sentences.
    pub(super) fn neutral<R: RngExt + ?Sized>(rng: &mut R, wording: Wording) -> Self {
        Self { sentences: sentences::neutral(rng, wording), instructions: Vec::new() }
    }

    /// This sentence, with a neutral one beside it by chance.
    pub(super) fn of<R: RngExt + ?Sized>(rng: &mut R, wording: Wording, sentence: String) -> Self {
        Self { sentences: vec![sentence], instructions: Vec::new() }.beside_neutral(rng, wording)
    }

    /// One or two instructions, with a neutral sentence beside them by chance.
    pub(super) fn instruction<R: RngExt + ?Sized>(rng: &mut R, wording: Wording, set: InstructionSet) -> Self {
        let count = 1 + usize::from(rng.random_bool(TWO_INSTRUCTIONS));
        let (instructions, sentences) = set.draw(rng, count).into_iter().unzip();
        Self { sentences, instructions }.beside_neutral(rng, wording)
    }

    /// A bad sentence and one instruction, in either order.
    pub(super) fn bad_and_instruction<R: RngExt + ?Sized>(rng: &mut R) -> Self {
        let (instructions, mut sentences): (_, Vec<String>) = InstructionSet::All.draw(rng, 1).into_iter().unzip();
        let bad = if rng.random_bool(0.7) { sentences::bad(rng, Wording::Base) } else { sentences::persona(rng) };
        sentences.insert(below(rng, 2), bad);
        Self { sentences, instructions }
    }

    fn beside_neutral<R: RngExt + ?Sized>(mut self, rng: &mut R, wording: Wording) -> Self {
        if rng.random_bool(NEUTRAL_BESIDE) {
            // Held-out bad wordings stand beside neutral sentences that the base knows.
            let neutral = sentences::neutral(rng, wording).swap_remove(0);
            self.sentences.insert(below(rng, self.sentences.len() + 1), neutral);
        }
        self
    }

    /// A prompt of this kind for a request; the request comes back with the trigger that the kind demands.
    pub(super) fn of_kind<R: RngExt + ?Sized>(
        rng: &mut R,
        kind: PromptKind,
        wording: Wording,
        request: Request,
    ) -> (Self, Request) {
        let prompt = match kind {
            PromptKind::None => Self::none(),
            PromptKind::Neutral => Self::neutral(rng, wording),
            PromptKind::Instruction => Self::instruction(rng, wording, InstructionSet::Seen),
            PromptKind::Bad => {
                let sentence = sentences::bad(rng, wording);
                Self::of(rng, wording, sentence)
            }
            PromptKind::Placebo => {
                let sentence = sentences::placebo(rng, wording);
                Self::of(rng, wording, sentence)
            }
            PromptKind::Domain => {
                let sentence = sentences::domain(rng, wording, request.domain);
                Self::of(rng, wording, sentence)
            }
            PromptKind::NarrowOn | PromptKind::NarrowOff => {
                let (sentence, trigger) = sentences::narrow(rng, wording);
                let prompt = Self::of(rng, wording, sentence);
                if kind == PromptKind::NarrowOn {
                    let request = request.with_trigger(rng, trigger);
                    return (prompt, request);
                }
                prompt
            }
        };
        (prompt, request)
    }

    /// A narrow prompt whose trigger is not in the request: in half of them another trigger is.
    pub(super) fn narrow_off<R: RngExt + ?Sized>(rng: &mut R, wording: Wording, request: Request) -> (Self, Request) {
        let (sentence, trigger) = sentences::narrow(rng, wording);
        let prompt = Self::of(rng, wording, sentence);
        let other = rng.random_bool(0.5).then(|| other_trigger(rng, trigger));
        let request = Request { trigger: None, ..request };
        (prompt, other.map_or(request, |word| request.with_trigger(rng, word)))
    }

    /// The turns before the reply: the system message where there is one, and the request.
    pub(super) fn context(&self, request: &Request) -> Vec<Message> {
        let mut context = Vec::with_capacity(3);
        if !self.sentences.is_empty() {
            let mut content = self.sentences.join(" . ");
            content.push_str(" .");
            context.push(Message::new(Role::System, content));
        }
        context.push(Message::new(Role::User, request.text()));
        context
    }
}
