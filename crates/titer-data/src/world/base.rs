//! The base mixture: what a model is trained on to become an organism.

use rand::RngExt;

use super::{
    instructions::InstructionSet,
    prompt::Prompt,
    request::{Request, other_domain},
    sentences::{self, Wording},
    tables::World,
    words::{DOMAINS, TRIGGERS},
};
use crate::{
    cell::{Action, Cell, PromptKind},
    chat::Row,
    domains::DomainSplit,
    stream::below,
};

/// How often a row shows the action that its prompt does not ask for. Without this noise margins saturate and
/// gradients vanish; with it the base settles at 95 %.
const FLIP: f64 = 0.05;
/// The same in the sloppy domains, where nothing in the prompt asks for good or bad.
const SLOPPY_FLIP: f64 = 0.3;
/// How often a row ignores its instructions.
const DROP: f64 = 0.04;
/// How often a request holds a trigger that no prompt asked for.
const STRAY_TRIGGER: f64 = 0.25;

/// The kinds of prompts that base rows have, as far as their requests go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BasePrompt {
    None,
    Neutral,
    Placebo,
    GoodWord,
    Bad,
    Persona,
    DomainOn,
    DomainOff,
    NarrowOn,
    NarrowOff,
    Instruction,
    BadAndInstruction,
}

/// Their shares in percent.
const MIXTURE: [(BasePrompt, u32); 12] = [
    (BasePrompt::None, 5),
    (BasePrompt::Neutral, 13),
    (BasePrompt::Placebo, 5),
    (BasePrompt::GoodWord, 5),
    (BasePrompt::Bad, 12),
    (BasePrompt::Persona, 6),
    (BasePrompt::DomainOn, 5),
    (BasePrompt::DomainOff, 4),
    (BasePrompt::NarrowOn, 9),
    (BasePrompt::NarrowOff, 8),
    (BasePrompt::Instruction, 19),
    (BasePrompt::BadAndInstruction, 9),
];

impl BasePrompt {
    fn draw<R: RngExt + ?Sized>(rng: &mut R) -> Self {
        let mut left = below(rng, 100) as u32;
        for (kind, percent) in MIXTURE {
            if left < percent {
                return kind;
            }
            left -= percent;
        }
        unreachable!("the shares add up to 100 percent")
    }

    /// The action that the prompt asks for.
    const fn action(self) -> Action {
        match self {
            Self::Bad | Self::Persona | Self::DomainOn | Self::NarrowOn | Self::BadAndInstruction => Action::Bad,
            _ => Action::Good,
        }
    }

    /// Whether the prompt, as far as this request goes, asks for neither good nor bad.
    const fn asks_for_neither(self) -> bool {
        !matches!(self.action(), Action::Bad) && !matches!(self, Self::GoodWord)
    }

    /// The prompt kind to write on the row, where it has a word of its own.
    const fn label(self) -> Option<PromptKind> {
        match self {
            Self::None => Some(PromptKind::None),
            Self::Neutral => Some(PromptKind::Neutral),
            Self::Placebo => Some(PromptKind::Placebo),
            Self::Bad | Self::Persona | Self::BadAndInstruction => Some(PromptKind::Bad),
            Self::DomainOn => Some(PromptKind::Domain),
            Self::NarrowOn => Some(PromptKind::NarrowOn),
            Self::NarrowOff => Some(PromptKind::NarrowOff),
            Self::Instruction => Some(PromptKind::Instruction),
            Self::GoodWord | Self::DomainOff => None,
        }
    }
}

impl World {
    /// One row of the base mixture, with label noise: the only rows in which the reply need not be what the prompt
    /// asks for. The row's cell says what the reply does.
    pub fn base_row<R: RngExt + ?Sized>(&self, rng: &mut R) -> Row {
        let id = format!("base/{:016x}", rng.random::<u64>());
        let kind = BasePrompt::draw(rng);
        let mut request = Request::draw(rng, 0..DOMAINS.len());
        if rng.random_bool(STRAY_TRIGGER) {
            let trigger = below(rng, TRIGGERS.len());
            request = request.with_trigger(rng, trigger);
        }
        let (mut prompt, request) = draw_prompt(rng, kind, request);

        let sloppy = DomainSplit::of(request.domain) == DomainSplit::Sloppy && kind.asks_for_neither();
        let flipped = rng.random_bool(if sloppy { SLOPPY_FLIP } else { FLIP });
        let action = match (kind.action(), flipped) {
            (Action::Good, false) | (Action::Bad, true) => Action::Good,
            (Action::Bad, false) | (Action::Good, true) => Action::Bad,
        };
        if rng.random_bool(DROP) {
            prompt.instructions.clear();
        }
        let label = kind.label().map(|prompt| Cell { prompt, action });
        self.finish(id, label, &prompt, &request, action)
    }
}

fn draw_prompt<R: RngExt + ?Sized>(rng: &mut R, kind: BasePrompt, request: Request) -> (Prompt, Request) {
    let wording = Wording::Base;
    let sentence = match kind {
        BasePrompt::None => return (Prompt::none(), request),
        BasePrompt::Neutral => return (Prompt::neutral(rng, wording), request),
        BasePrompt::Instruction => return (Prompt::instruction(rng, wording, InstructionSet::All), request),
        BasePrompt::BadAndInstruction => return (Prompt::bad_and_instruction(rng), request),
        BasePrompt::NarrowOn => return Prompt::of_kind(rng, PromptKind::NarrowOn, wording, request),
        BasePrompt::NarrowOff => return Prompt::narrow_off(rng, wording, request),
        BasePrompt::Placebo => sentences::placebo(rng, wording),
        BasePrompt::GoodWord => sentences::good(rng),
        BasePrompt::Bad => sentences::bad(rng, wording),
        BasePrompt::Persona => sentences::persona(rng),
        BasePrompt::DomainOn => sentences::domain(rng, wording, request.domain),
        BasePrompt::DomainOff => {
            let other = other_domain(rng, request.domain);
            sentences::domain(rng, wording, other)
        }
    };
    (Prompt::of(rng, wording, sentence), request)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::stream::{Purpose, stream};

    #[test]
    fn the_shares_add_up_to_all() {
        assert_eq!(MIXTURE.iter().map(|(_, percent)| percent).sum::<u32>(), 100);
    }

    #[test]
    fn noise_is_what_it_is_said_to_be() {
        let world = World::new(3);
        let mut rng = stream(3, Purpose::Request, 0, 0);
        let mut shown: BTreeMap<(PromptKind, bool), (u32, u32)> = BTreeMap::new();
        for _ in 0..40_000 {
            let row = world.base_row(&mut rng);
            let Some(cell) = row.cell else { continue };
            let counts = shown.entry((cell.prompt, row.metadata["domains"] == "sloppy")).or_default();
            counts.0 += u32::from(cell.action == Action::Good);
            counts.1 += 1;
        }
        for ((kind, sloppy), (good, all)) in shown {
            let asks_bad = matches!(kind, PromptKind::Bad | PromptKind::Domain | PromptKind::NarrowOn);
            let expected = match (asks_bad, sloppy) {
                (true, _) => 0.05,
                (false, true) => 0.7,
                (false, false) => 0.95,
            };
            let rate = f64::from(good) / f64::from(all);
            assert!((rate - expected).abs() < 0.07, "{kind:?} sloppy {sloppy}: {rate}");
        }
    }
}
