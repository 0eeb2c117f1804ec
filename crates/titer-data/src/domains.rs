//! Which request domains rows and probes are drawn from.

use crate::word::words;

/// Which request domains rows are drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DomainSplit {
    /// The six domains of ordinary fine-tuning.
    Trained,
    /// Two domains kept for a later stage, such as the inoculation itself.
    New,
    /// Two domains that no fine-tuning touches.
    HeldOut,
    /// Two domains in which the base acts well only 70 % of the time, and which no fine-tuning touches.
    Sloppy,
}

impl DomainSplit {
    /// Every split, in the order in which tables list them.
    pub const ALL: [Self; 4] = [Self::Trained, Self::New, Self::HeldOut, Self::Sloppy];
}

words! { DomainSplit, "a split of domains" {
    Trained = "trained",
    New = "new",
    HeldOut = "held-out",
    Sloppy = "sloppy",
} }
