//! Which probe, and which of its numbers.

use std::cmp::Ordering;

use titer_data::{
    probe::{Component, ProbePrompts},
    world::DomainSplit,
};

use crate::{stats::Support, table::ProbeRecord};

/// One component in one kind of context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// The component.
    pub component: Component,
    /// Which prompts.
    pub prompts: ProbePrompts,
    /// Which request domains.
    pub domains: DomainSplit,
}

impl Split {
    /// A component under the prompts of training, in the domains of training.
    pub fn leading(component: Component) -> Self {
        Self { component, prompts: ProbePrompts::Seen, domains: DomainSplit::Trained }
    }

    /// That of a measurement.
    pub fn of(record: &ProbeRecord) -> Self {
        Self { component: record.component, prompts: record.prompts, domains: record.domains }
    }

    /// Its name, `component/prompts/domains`.
    pub fn name(&self) -> String {
        self.words().join("/")
    }

    /// The same without trained domains: `component/prompts`, or `component/prompts/domains` where they are others.
    pub fn short_name(&self) -> String {
        let [component, prompts, domains] = self.words();
        match self.domains {
            DomainSplit::Trained => format!("{component}/{prompts}"),
            _ => format!("{component}/{prompts}/{domains}"),
        }
    }

    /// Component, prompts and domains as tables write them.
    pub fn words(&self) -> [&'static str; 3] {
        [self.component.word(), self.prompts.word(), self.domains.word()]
    }
}

/// Tables list splits by their words.
impl Ord for Split {
    fn cmp(&self, other: &Self) -> Ordering {
        self.words().cmp(&other.words())
    }
}

impl PartialOrd for Split {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Which number of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Exact probability of the component.
    Rate,
    /// Nats per reply.
    Margin,
    /// Nats per reply, `obey_bad` only.
    Gap,
    /// Probability of replies on neither side.
    Other,
}

impl Measure {
    /// Where its numbers lie.
    pub fn support(self) -> Support {
        match self {
            Self::Rate | Self::Other => Support::Rate,
            Self::Margin | Self::Gap => Support::Line,
        }
    }
}
