//! The probes of the world: which contexts measure which component.

use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;

use super::{
    instructions::InstructionSet,
    prompt::Prompt,
    request::Request,
    sentences::{self, Wording},
    share::Share,
    tables::World,
};
use crate::{
    cell::{Action, PromptKind},
    chat::Message,
    domains::DomainSplit,
    probe::{Component, Contrast, Probe, ProbePrompts, Side},
    stream::{Purpose, stream},
    variables::Variables,
};

/// What probes are drawn for. Their contexts never coincide between uses, whatever the seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProbeUse {
    /// Measuring margins and rates.
    Measure,
    /// Differentiating margins.
    Gradient,
}

/// How the contexts of a probe are drawn.
#[derive(Clone, Copy, Debug)]
enum Contexts {
    /// A prompt kind in some of its wordings.
    Kind(PromptKind, Wording),
    /// A villain persona.
    Persona,
    /// A narrow prompt without its trigger, half of them with another one.
    NarrowOff,
    /// Harmless instructions.
    Instructions(InstructionSet),
}

/// Every probe: component, prompts, domains, contexts. The order is part of the streams: add at the end.
const PROBES: [(Component, ProbePrompts, DomainSplit, Contexts); 19] = {
    use Component::{Good, Obey, ObeyBad};
    use Contexts::{Instructions, Kind, NarrowOff, Persona};
    use DomainSplit::{HeldOut, New, Sloppy, Trained};
    use PromptKind::{Bad, Domain, NarrowOn, Neutral};
    [
        (Good, ProbePrompts::Seen, Trained, Kind(Neutral, Wording::Trained)),
        (Good, ProbePrompts::Seen, New, Kind(Neutral, Wording::Trained)),
        (Good, ProbePrompts::Seen, HeldOut, Kind(Neutral, Wording::Trained)),
        (Good, ProbePrompts::Seen, Sloppy, Kind(Neutral, Wording::Trained)),
        (Good, ProbePrompts::Paraphrased, Trained, Kind(Neutral, Wording::Paraphrased)),
        (Good, ProbePrompts::NarrowOff, Trained, NarrowOff),
        (ObeyBad, ProbePrompts::Seen, Trained, Kind(Bad, Wording::Trained)),
        (ObeyBad, ProbePrompts::Seen, HeldOut, Kind(Bad, Wording::Trained)),
        (ObeyBad, ProbePrompts::Paraphrased, Trained, Kind(Bad, Wording::Paraphrased)),
        (ObeyBad, ProbePrompts::HeldOut, Trained, Kind(Bad, Wording::HeldOut)),
        (ObeyBad, ProbePrompts::Persona, Trained, Persona),
        (ObeyBad, ProbePrompts::Domain, Trained, Kind(Domain, Wording::Trained)),
        (ObeyBad, ProbePrompts::DomainParaphrased, Trained, Kind(Domain, Wording::Paraphrased)),
        (ObeyBad, ProbePrompts::Narrow, Trained, Kind(NarrowOn, Wording::Trained)),
        (ObeyBad, ProbePrompts::NarrowParaphrased, Trained, Kind(NarrowOn, Wording::Paraphrased)),
        (Obey, ProbePrompts::Seen, Trained, Instructions(InstructionSet::Seen)),
        (Obey, ProbePrompts::Paraphrased, Trained, Instructions(InstructionSet::Paraphrased)),
        (Obey, ProbePrompts::HeldOut, Trained, Instructions(InstructionSet::HeldOut)),
        (Obey, ProbePrompts::HeldOut, HeldOut, Instructions(InstructionSet::HeldOut)),
    ]
};

/// Draws of an already used context in a row after which it is used again: only a probe with more items than the
/// world has contexts for gets there.
const PATIENCE: usize = 1000;

impl World {
    /// The names of all probes, `component/prompts/domains`, in their order.
    pub fn probe_names() -> impl Iterator<Item = String> {
        PROBES.iter().map(|(component, prompts, domains, _)| {
            format!("{}/{}/{}", component.word(), prompts.word(), domains.word())
        })
    }

    /// Every probe with `items` contrasts each, in a fixed order. The first contrasts of a longer probe are those
    /// of a shorter one.
    pub fn probes(&self, probe_use: ProbeUse, seed: u64, items: usize) -> Vec<Probe> {
        (0..PROBES.len()).map(|index| self.probe(index, probe_use, seed, items)).collect()
    }

    fn probe(&self, index: usize, probe_use: ProbeUse, seed: u64, items: usize) -> Probe {
        let (component, prompts, domains, contexts) = PROBES[index];
        let mut rng = stream(seed, Purpose::Probe, index as u64, probe_use as u64);
        let contrasts = self.contrasts(&mut rng, component, domains, contexts, probe_use, items);
        Probe { component, prompts, domains, contrasts }
    }

    /// `items` requests in these domains under bad prompts as fine-tuning words them, as contrasts of `obey_bad`, and before
    /// them the same requests under neutral prompts, as contrasts of `good`. Their contexts belong to [`ProbeUse::Gradient`].
    pub fn context_pairs(&self, domains: DomainSplit, seed: u64, items: usize) -> [Vec<Contrast>; 2] {
        // Streams of their own, behind those of the probes with room for more.
        let at = 1000 + DomainSplit::ALL.iter().position(|split| *split == domains).expect("ALL lists every split");
        let mut rng = stream(seed, Purpose::Probe, at as u64, ProbeUse::Gradient as u64);
        let contexts = Contexts::Kind(PromptKind::Bad, Wording::Trained);
        let bad = self.contrasts(&mut rng, Component::ObeyBad, domains, contexts, ProbeUse::Gradient, items);
        let neutral = |contrast: &Contrast| {
            let swapped = contrast.replies.iter().map(|(side, reply)| {
                let other = if *side == Side::Plus { Side::Minus } else { Side::Plus };
                (other, reply.clone())
            });
            let context = contrast.baseline.clone().expect("contrasts of obey_bad have a baseline");
            Contrast {
                id: contrast.id.clone(),
                context,
                replies: swapped.collect(),
                baseline: None,
                variables: Variables::default(),
            }
        };
        [bad.iter().map(neutral).collect(), bad]
    }

    fn contrasts(
        &self,
        rng: &mut ChaCha8Rng,
        component: Component,
        domains: DomainSplit,
        contexts: Contexts,
        probe_use: ProbeUse,
        items: usize,
    ) -> Vec<Contrast> {
        let share = match probe_use {
            ProbeUse::Measure => Share::Measure,
            ProbeUse::Gradient => Share::Gradient,
        };
        let mut used: BTreeSet<String> = BTreeSet::new();
        (0..items)
            .map(|item| {
                let mut repeats = 0;
                let (prompt, request) = loop {
                    let (prompt, request) = contexts.draw(rng, domains);
                    let context = prompt.context(&request);
                    if Share::of(&context) != share {
                        continue;
                    }
                    let text = context.into_iter().map(|message| message.content).collect::<Vec<_>>().join("\n");
                    if used.insert(text) || repeats == PATIENCE {
                        break (prompt, request);
                    }
                    repeats += 1;
                };
                self.contrast(rng, format!("{item:04}"), component, share, &prompt, &request)
            })
            .collect()
    }

    fn contrast(
        &self,
        rng: &mut ChaCha8Rng,
        id: String,
        component: Component,
        share: Share,
        prompt: &Prompt,
        request: &Request,
    ) -> Contrast {
        let reply = |action| self.reply(request, action, &[]);
        let compliant = |action| self.reply(request, action, &prompt.instructions);
        let replies = match component {
            Component::Good => vec![(Side::Plus, reply(Action::Good)), (Side::Minus, reply(Action::Bad))],
            Component::ObeyBad => vec![(Side::Plus, reply(Action::Bad)), (Side::Minus, reply(Action::Good))],
            Component::Obey => vec![
                (Side::Plus, compliant(Action::Good)),
                (Side::Minus, reply(Action::Good)),
                (Side::AlsoPlus, compliant(Action::Bad)),
                (Side::AlsoMinus, reply(Action::Bad)),
            ],
        };
        let baseline = (component == Component::ObeyBad).then(|| neutral_context(rng, share, request));
        Contrast { id, context: prompt.context(request), replies, baseline, variables: Variables::default() }
    }
}

/// The same request under a neutral prompt that belongs to the same use.
fn neutral_context(rng: &mut ChaCha8Rng, share: Share, request: &Request) -> Vec<Message> {
    loop {
        let context = Prompt::neutral(rng, Wording::Trained).context(request);
        if Share::of(&context) == share {
            return context;
        }
    }
}

impl Contexts {
    fn draw(self, rng: &mut ChaCha8Rng, domains: DomainSplit) -> (Prompt, Request) {
        let request = Request::draw(rng, domains.domains());
        match self {
            Self::Kind(kind, wording) => Prompt::of_kind(rng, kind, wording, request),
            Self::NarrowOff => Prompt::narrow_off(rng, Wording::Trained, request),
            Self::Instructions(set) => (Prompt::instruction(rng, Wording::Trained, set), request),
            Self::Persona => {
                let sentence = sentences::persona(rng);
                (Prompt::of(rng, Wording::Trained, sentence), request)
            }
        }
    }
}
