//! Limits on rates after training, and the rows that there are.

use serde::Serialize;
use titer_data::cell::Cell;

use crate::stats::Support;

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

impl RateBound {
    /// The share of a forecast's interval in which the bound is kept, on the scale of log-odds, given the forecast's mean and how far inside
    /// the bound that is.
    pub fn share_kept(self, rate: f64, slack: f64, [low, high]: [f64; 2]) -> f64 {
        let place = |rate: f64| Support::Rate.to_scale(rate.clamp(0.0, 1.0));
        let above = |bound: f64| {
            let (low, high, bound) = (place(low), place(high), place(bound));
            if high > low { ((high - bound) / (high - low)).clamp(0.0, 1.0) } else { f64::from(u8::from(low >= bound)) }
        };
        match self {
            Self::AtLeast(_) | Self::LostAtMost(_) => above(rate - slack),
            Self::AtMost(_) => 1.0 - above(rate + slack),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_in_the_middle_of_the_interval_is_kept_over_half_of_it() {
        let ends = [0.9, 0.99];
        let middle = Support::Rate.from_scale((Support::Rate.to_scale(0.9) + Support::Rate.to_scale(0.99)) / 2.0);
        for (bound, slack) in [(RateBound::AtLeast(middle), 0.95 - middle), (RateBound::AtMost(middle), middle - 0.95)]
        {
            assert!((bound.share_kept(0.95, slack, ends) - 0.5).abs() < 1e-9, "{bound:?}");
        }
        // Lost at most 5 points of a base of 1: at least .95.
        let lost = RateBound::LostAtMost(0.05);
        let same = RateBound::AtLeast(0.95);
        assert_eq!(lost.share_kept(0.97, 0.02, ends), same.share_kept(0.97, 0.02, ends));
        assert_eq!(RateBound::AtLeast(0.5).share_kept(0.95, 0.45, ends), 1.0);
        assert_eq!(RateBound::AtMost(0.5).share_kept(0.95, -0.45, ends), 0.0);
    }
}
