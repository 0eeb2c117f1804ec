//! Which probe, and which of its numbers.

use crate::stats::Support;

/// One component in one kind of context.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Split {
    /// The component: `good`, `obey_bad` or `obey`.
    pub component: String,
    /// Which prompts.
    pub prompts: String,
    /// Which request domains.
    pub domains: String,
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
