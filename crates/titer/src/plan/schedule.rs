//! The learning rate over the steps of a stage.

use serde::Serialize;

use crate::spec::LrDecay;

/// Warm-up, then decay to a floor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LrSchedule {
    /// Steps of linear rise: step `t` (from 0) has `(t + 1) / warmup` of the peak.
    pub warmup: usize,
    /// What comes then.
    pub decay: LrDecay,
    /// Share of the peak at which decay ends.
    pub floor: f64,
}

impl LrSchedule {
    /// The learning rate of step `step` (counted from 0) of `steps`, which is `peak` at its highest.
    pub fn lr(&self, peak: f64, steps: usize, step: usize) -> f64 {
        if step < self.warmup {
            return peak * (step + 1) as f64 / self.warmup as f64;
        }
        let progress = (step - self.warmup) as f64 / (steps.saturating_sub(self.warmup)).max(1) as f64;
        let left = match self.decay {
            LrDecay::None => 1.0,
            LrDecay::Linear => 1.0 - progress.min(1.0),
            LrDecay::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos()),
        };
        peak * (self.floor + (1.0 - self.floor) * left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_rises_holds_and_falls() {
        let schedule = LrSchedule { warmup: 4, decay: LrDecay::Cosine, floor: 0.1 };
        let lr = |step| schedule.lr(2.0, 104, step);
        assert_eq!([lr(0), lr(3), lr(4)], [0.5, 2.0, 2.0]);
        assert!((lr(54) - 2.0 * (0.1 + 0.9 * 0.5)).abs() < 1e-12);
        assert!((lr(104) - 0.2).abs() < 1e-12);
        assert_eq!(LrSchedule { decay: LrDecay::None, ..schedule }.lr(2.0, 104, 100), 2.0);
    }
}
