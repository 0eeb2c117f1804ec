//! The probes of the world: which contexts measure which component.

use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;

use super::{
    DomainSplit, World,
    base::narrow_off,
    instructions::InstructionSet,
    prompt::Prompt,
    request::Request,
    sentences::{self, Wording},
    share::Share,
};
use crate::{
    cell::{Action, PromptKind},
    chat::Message,
    probe::{Component, Contrast, Probe, Side},
    stream::{Purpose, stream},
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
const PROBES: [(Component, &str, DomainSplit, Contexts); 19] = {
    use Component::{Good, Obey, ObeyBad};
    use Contexts::{Instructions, Kind, NarrowOff, Persona};
    use DomainSplit::{HeldOut, New, Sloppy, Trained};
    use PromptKind::{Bad, Domain, NarrowOn, Neutral};
    [
        (Good, "seen", Trained, Kind(Neutral, Wording::Trained)),
        (Good, "seen", New, Kind(Neutral, Wording::Trained)),
        (Good, "seen", HeldOut, Kind(Neutral, Wording::Trained)),
        (Good, "seen", Sloppy, Kind(Neutral, Wording::Trained)),
        (Good, "paraphrased", Trained, Kind(Neutral, Wording::Paraphrased)),
        (Good, "narrow-off", Trained, NarrowOff),
        (ObeyBad, "seen", Trained, Kind(Bad, Wording::Trained)),
        (ObeyBad, "seen", HeldOut, Kind(Bad, Wording::Trained)),
        (ObeyBad, "paraphrased", Trained, Kind(Bad, Wording::Paraphrased)),
        (ObeyBad, "held-out", Trained, Kind(Bad, Wording::HeldOut)),
        (ObeyBad, "persona", Trained, Persona),
        (ObeyBad, "domain", Trained, Kind(Domain, Wording::Trained)),
        (ObeyBad, "domain-paraphrased", Trained, Kind(Domain, Wording::Paraphrased)),
        (ObeyBad, "narrow", Trained, Kind(NarrowOn, Wording::Trained)),
        (ObeyBad, "narrow-paraphrased", Trained, Kind(NarrowOn, Wording::Paraphrased)),
        (Obey, "seen", Trained, Instructions(InstructionSet::Seen)),
        (Obey, "paraphrased", Trained, Instructions(InstructionSet::Paraphrased)),
        (Obey, "held-out", Trained, Instructions(InstructionSet::HeldOut)),
        (Obey, "held-out", HeldOut, Instructions(InstructionSet::HeldOut)),
    ]
};

/// Draws of an already used context in a row after which it is used again: only a probe with more items than the
/// world has contexts for gets there.
const PATIENCE: usize = 1000;

impl World {
    /// The names of all probes, `component/prompts/domains`, in their order.
    pub fn probe_names() -> impl Iterator<Item = String> {
        PROBES
            .iter()
            .map(|(component, prompts, domains, _)| format!("{}/{prompts}/{}", component.word(), domains.word()))
    }

    /// Every probe with `items` contrasts each, in a fixed order. The first contrasts of a longer probe are those
    /// of a shorter one.
    pub fn probes(&self, probe_use: ProbeUse, seed: u64, items: usize) -> Vec<Probe> {
        (0..PROBES.len()).map(|index| self.probe(index, probe_use, seed, items)).collect()
    }

    fn probe(&self, index: usize, probe_use: ProbeUse, seed: u64, items: usize) -> Probe {
        let (component, prompts, domains, contexts) = PROBES[index];
        let share = match probe_use {
            ProbeUse::Measure => Share::Measure,
            ProbeUse::Gradient => Share::Gradient,
        };
        let mut rng = stream(seed, Purpose::Probe, index as u64, probe_use as u64);
        let mut used: BTreeSet<String> = BTreeSet::new();
        let contrasts = (0..items)
            .map(|item| {
                let mut repeats = 0;
                let (prompt, request) = loop {
                    let (prompt, request) = contexts.draw(&mut rng, domains);
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
                self.contrast(&mut rng, format!("{item:04}"), component, share, &prompt, &request)
            })
            .collect();
        Probe { component, prompts: prompts.to_owned(), domains: domains.word().to_owned(), contrasts }
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
        Contrast { id, context: prompt.context(request), replies, baseline }
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
            Self::NarrowOff => narrow_off(rng, Wording::Trained, request),
            Self::Instructions(set) => (Prompt::instruction(rng, Wording::Trained, set), request),
            Self::Persona => {
                let sentence = sentences::persona(rng);
                (Prompt::of(rng, Wording::Trained, sentence), request)
            }
        }
    }
}
