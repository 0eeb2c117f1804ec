//! Limits on rates after training, and the rows that there are.

use serde::Serialize;
use titer_data::cell::Cell;

/// What a probe's rate must be after training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub enum RateBound {
    /// At least so much.
    AtLeast(f64),
    /// At most so much.
    AtMost(f64),
    /// At most so much less than before training.
    LostAtMost(f64),
}

impl RateBound {
    /// How far inside it a rate after training is, given that before.
    pub(super) fn slack(self, before: f64, rate: f64) -> f64 {
        match self {
            Self::AtLeast(least) => rate - least,
            Self::AtMost(most) => most - rate,
            Self::LostAtMost(most) => most - (before - rate),
        }
    }
}

/// A bound on one probe.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Limit {
    /// The probe, as [`crate::forecast::ProbeOutput::name`] has it.
    pub probe: String,
    /// The bound on its rate.
    pub bound: RateBound,
}

/// Rows of one cell: how many must be trained, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Supply {
    /// The cell.
    pub cell: Cell,
    /// Rows that must be in the mix.
    pub least: usize,
    /// Rows that there are.
    pub most: usize,
}

impl Limit {
    /// The limit in words, such as `good/seen at least 98.0 %`.
    pub fn words(&self) -> String {
        let percent = |rate: f64| format!("{:.1} %", 100.0 * rate);
        match self.bound {
            RateBound::AtLeast(rate) => format!("{} at least {}", self.probe, percent(rate)),
            RateBound::AtMost(rate) => format!("{} at most {}", self.probe, percent(rate)),
            RateBound::LostAtMost(rate) => {
                format!("{} lost at most {} points", self.probe, percent(rate).trim_end_matches(" %"))
            }
        }
    }
}
