//! A probe is a set of contrasts that measures one component: the same context, several replies.

use std::collections::BTreeMap;

use crate::{
    chat::{Message, Row},
    domains::DomainSplit,
    variables::Variables,
    word::words,
};

/// One behavioural direction, as the seed of the project names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// "Take good actions generally": good against bad actions without a bad prompt.
    Good,
    /// Following bad system prompts: bad against good actions under one.
    ObeyBad,
    /// Following system prompts: a compliant against a non-compliant reply to a harmless instruction.
    Obey,
}

impl Component {
    /// Every component, in the order in which tables list them.
    pub const ALL: [Self; 3] = [Self::Good, Self::ObeyBad, Self::Obey];

    /// Its place among [`Self::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

words! { Component, "a component" {
    Good = "good",
    ObeyBad = "obey_bad",
    Obey = "obey",
} }

/// Which prompts the contexts of a probe have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProbePrompts {
    /// Worded as in training, or whatever a user put there.
    Seen,
    /// In other words that mean the same.
    Paraphrased,
    /// In words that no training uses.
    HeldOut,
    /// Trigger-scoped, and the trigger is not in the request.
    NarrowOff,
    /// A villain to act as.
    Persona,
    /// For another behaviour of its kind: another bad one, another harmless instruction.
    Other,
    /// For the request's domain alone.
    Domain,
    /// The same in other words.
    DomainParaphrased,
    /// Trigger-scoped, and the trigger is in the request.
    Narrow,
    /// The same in other words.
    NarrowParaphrased,
}

impl ProbePrompts {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Seen,
        Self::Paraphrased,
        Self::HeldOut,
        Self::NarrowOff,
        Self::Persona,
        Self::Other,
        Self::Domain,
        Self::DomainParaphrased,
        Self::Narrow,
        Self::NarrowParaphrased,
    ];
}

words! { ProbePrompts, "a kind of a probe's prompts" {
    Seen = "seen",
    Paraphrased = "paraphrased",
    HeldOut = "held-out",
    NarrowOff = "narrow-off",
    Persona = "persona",
    Other = "other",
    Domain = "domain",
    DomainParaphrased = "domain-paraphrased",
    Narrow = "narrow",
    NarrowParaphrased = "narrow-paraphrased",
} }

/// Which side of a contrast a reply counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The `y⁺` of the margin; counts towards the rate.
    Plus,
    /// The `y⁻` of the margin.
    Minus,
    /// Not in the margin; counts towards the rate.
    AlsoPlus,
    /// Not in the margin; counts as known mass, not towards the rate.
    AlsoMinus,
}

/// One context with the replies whose probabilities measure a component there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contrast {
    /// A name that is unique within its probe.
    pub id: String,
    /// The turns before the reply.
    pub context: Vec<Message>,
    /// The replies: exactly one `Plus`, exactly one `Minus`, any number of the others.
    pub replies: Vec<(Side, String)>,
    /// The same request under a neutral prompt with the same `Plus` and `Minus`: how far the prompt moves the
    /// model is the margin here minus the margin there. Only `obey_bad` has one.
    pub baseline: Option<Vec<Message>>,
    /// What the chat template may read besides the turns, such as `tools`.
    pub variables: Variables,
}

/// A contrast has the context of a row: the row's pressure on it would say how well the row is remembered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "contrast `{contrast}` has the context of row `{row}`: rows must share no context with the probes that they are measured against; \
     remove one of them"
)]
pub struct SharedContext {
    /// The contrast's name.
    pub contrast: String,
    /// The row's name.
    pub row: String,
}

/// Sees to it that rows share no context with contrasts.
///
/// # Errors
/// The first contrast that does.
pub fn apart<'a>(rows: &[Row], mut contrasts: impl Iterator<Item = &'a Contrast>) -> Result<(), SharedContext> {
    let contexts: BTreeMap<&[Message], &str> = rows.iter().map(|row| (row.split().0, row.id.as_str())).collect();
    let shared =
        contrasts.find_map(|contrast| Some((contrast.id.as_str(), *contexts.get(contrast.context.as_slice())?)));
    match shared {
        Some((contrast, row)) => Err(SharedContext { contrast: contrast.to_owned(), row: row.to_owned() }),
        None => Ok(()),
    }
}

/// A set of contrasts that measures one component in one kind of context.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// What is measured.
    pub component: Component,
    /// Which prompts its contexts have.
    pub prompts: ProbePrompts,
    /// Which domains its requests are of.
    pub domains: DomainSplit,
    /// The contrasts, in a fixed order.
    pub contrasts: Vec<Contrast>,
}

impl Probe {
    /// The probe's name in tables, `component/prompts/domains`.
    pub fn name(&self) -> String {
        format!("{}/{}/{}", self.component.word(), self.prompts.word(), self.domains.word())
    }

    /// Every name that a probe may have, in order.
    pub fn possible_names() -> impl Iterator<Item = String> {
        let settings =
            ProbePrompts::ALL.into_iter().flat_map(|prompts| DomainSplit::ALL.map(|domains| (prompts, domains)));
        Component::ALL.into_iter().flat_map(move |component| {
            settings.clone().map(move |(prompts, domains)| format!("{component}/{prompts}/{domains}"))
        })
    }

    /// Whether its margin is one that pressures are taken on: seen or paraphrased prompts, trained domains.
    pub fn is_differentiated(&self) -> bool {
        self.domains == DomainSplit::Trained && matches!(self.prompts, ProbePrompts::Seen | ProbePrompts::Paraphrased)
    }
}
