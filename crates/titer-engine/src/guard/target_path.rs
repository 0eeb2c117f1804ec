//! The course to a target: how much a component may change in the next step.
//!
//! A target is spread evenly over the stage. With feedback the bounds of a step come from the distance between where the
//! component is and where it should be a few steps on, divided by those steps, so that what went wrong is made good
//! within them, at the latest at the end. What the component does beyond what was predicted step after step is its
//! *drift*, which the bounds anticipate: without it a steady pull, such as that of the training rows past a slice's
//! gradient, would leave a steady error.

use titer::plan::Target;

/// Steps within which an error is made good.
const HORIZON: usize = 8;
/// How far a look moves the estimate of the change: the rest is what was predicted.
const TRUST: f64 = 0.5;
/// How far it moves the drift.
const LEARN: f64 = 0.3;

/// The course of one component.
#[derive(Clone, Debug)]
pub struct TargetPath {
    target: Target,
    feedback: bool,
    /// Change since the stage began, nats, as far as is known.
    change: f64,
    /// Change per step that nobody predicted, nats.
    drift: f64,
    /// Steps since the last look.
    steps: usize,
}

impl TargetPath {
    /// A course that starts now; without feedback, looks change nothing.
    pub fn new(target: Target, feedback: bool) -> Self {
        Self { target, feedback, change: 0.0, drift: 0.0, steps: 0 }
    }

    /// The target.
    pub fn target(&self) -> Target {
        self.target
    }

    /// A look has found this change since the stage began, nats.
    pub(crate) fn observe(&mut self, change: f64) {
        if self.feedback {
            let surprise = change - self.change;
            if self.steps > 0 {
                self.drift += LEARN * surprise / self.steps as f64;
            }
            self.change += TRUST * surprise;
        }
        self.steps = 0;
    }

    /// By how much, in nats, the component is to change at least and at most in step `step` of `steps`.
    pub fn bounds(&self, step: usize, steps: usize) -> (f64, f64) {
        let Target { low, high, .. } = self.target;
        if !self.feedback {
            return (low / steps as f64, high / steps as f64);
        }
        let ahead = HORIZON.min(steps - step);
        let share = (step + ahead) as f64 / steps as f64;
        let bound = |end: f64| (end * share - self.change) / ahead as f64 - self.drift;
        (bound(low), bound(high))
    }

    /// A step has been done that should change the component by this much, in nats, to first order.
    pub fn moved(&mut self, predicted: f64) {
        self.change += predicted + self.drift;
        self.steps += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(low: f64, high: f64) -> Target {
        Target { component: 0, low, high }
    }

    /// A component that does what it is told, and `pull` nats besides at every step; looked at every 4 steps.
    fn end(target: Target, feedback: bool, pull: f64, steps: usize) -> f64 {
        let mut course = TargetPath::new(target, feedback);
        let mut change = 0.0;
        for step in 0..steps {
            if step % 4 == 0 {
                course.observe(change);
            }
            let (low, high) = course.bounds(step, steps);
            let step = 0f64.clamp(low, high);
            course.moved(step);
            change += step + pull;
        }
        change
    }

    #[test]
    fn feedback_reaches_the_target_against_a_steady_pull_and_open_loop_does_not() {
        for wanted in [2.0, 0.0, -4.0] {
            assert!((end(target(wanted, wanted), true, -0.05, 100) - wanted).abs() < 0.05);
            assert!((end(target(wanted, wanted), false, -0.05, 100) - (wanted - 5.0)).abs() < 1e-9);
        }
    }

    #[test]
    fn what_is_within_its_range_is_left_alone() {
        assert_eq!(end(target(-1.0, f64::INFINITY), true, 0.0, 100), 0.0);
        assert!((end(target(-1.0, f64::INFINITY), true, -0.05, 100) + 1.0).abs() < 0.05);
        assert!((end(target(-1.0, f64::INFINITY), true, 0.05, 100) - 5.0).abs() < 0.2);
    }
}
