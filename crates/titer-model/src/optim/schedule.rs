//! The learning rate as a function of the step.

/// How the learning rate falls after warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LrDecay {
    /// It stays.
    None,
    /// In a straight line to the floor.
    Linear,
    /// Along half a cosine to the floor.
    Cosine,
}

/// The learning rate as a function of the step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LrSchedule {
    /// The highest learning rate.
    pub peak: f64,
    /// Steps of linear rise: step `t` (from 0) has `(t + 1) / warmup` of the peak.
    pub warmup: usize,
    /// Steps in all.
    pub steps: usize,
    /// What happens after warm-up.
    pub decay: LrDecay,
    /// Share of the peak at which decay ends.
    pub floor: f64,
}

impl LrSchedule {
    /// The learning rate of step `step`, counted from 0.
    pub fn at(&self, step: usize) -> f64 {
        if step < self.warmup {
            return self.peak * (step + 1) as f64 / self.warmup as f64;
        }
        let progress = (step - self.warmup) as f64 / (self.steps.saturating_sub(self.warmup)).max(1) as f64;
        let left = match self.decay {
            LrDecay::None => 1.0,
            LrDecay::Linear => 1.0 - progress.min(1.0),
            LrDecay::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos()),
        };
        self.peak * (self.floor + (1.0 - self.floor) * left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_rises_holds_and_falls() {
        let schedule = LrSchedule { peak: 2.0, warmup: 4, steps: 104, decay: LrDecay::Cosine, floor: 0.1 };
        assert_eq!(schedule.at(0), 0.5);
        assert_eq!(schedule.at(3), 2.0);
        assert_eq!(schedule.at(4), 2.0);
        assert!((schedule.at(54) - 2.0 * (0.1 + 0.9 * 0.5)).abs() < 1e-12);
        assert!((schedule.at(104) - 0.2).abs() < 1e-12);
        let constant = LrSchedule { decay: LrDecay::None, ..schedule };
        assert_eq!(constant.at(100), 2.0);
    }
}
