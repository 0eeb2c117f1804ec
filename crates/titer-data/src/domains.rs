//! Which request domains rows and probes are drawn from.

use serde::{Deserialize, Serialize};

/// Which request domains rows are drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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

    /// The word for this split in specs, tables and on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Trained => "trained",
            Self::New => "new",
            Self::HeldOut => "held-out",
            Self::Sloppy => "sloppy",
        }
    }
}
