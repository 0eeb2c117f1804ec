//! The course of a run: which optimisers its stages use in turn, how fast they go and how far.

use serde::{Deserialize, Serialize};

use crate::plan::{OptimiserPlan, StagePlan};

/// The course of a run; or of many runs with the same optimisers in turn, by the fastest and the farthest of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Course {
    /// The optimisers of the stages that train: `adamw, adamw` is two stages of AdamW.
    pub optimisers: String,
    /// Highest learning rate, by [`Course::OPTIMISERS`]; with momentum a gradient counts `1 / (1 − momentum)` times.
    pub rate: [f64; 2],
    /// Learning rate times steps, summed over stages, likewise; 0 where there is no such run.
    pub path: [f64; 2],
}

impl Course {
    /// The optimisers as words, in the order of [`Course::rate`] and [`Course::path`].
    pub const OPTIMISERS: [&str; 2] = ["adamw", "sgd"];

    /// The course of a run of these stages; those without steps do not count.
    pub fn of(stages: &[StagePlan]) -> Self {
        let mut course = Self::unseen("");
        let mut words = Vec::new();
        for stage in stages.iter().filter(|stage| stage.steps > 0) {
            let (at, rate) = match stage.optimiser {
                OptimiserPlan::AdamW { lr, .. } => (0, lr),
                OptimiserPlan::Sgd { lr, momentum } => (1, lr / (1.0 - momentum)),
            };
            words.push(Self::OPTIMISERS[at]);
            course.rate[at] = course.rate[at].max(rate);
            course.path[at] += rate * stage.steps as f64;
        }
        course.optimisers = words.join(", ");
        course
    }

    /// A course that no run has gone.
    pub fn unseen(optimisers: &str) -> Self {
        Self { optimisers: optimisers.to_owned(), rate: [0.0; 2], path: [0.0; 2] }
    }

    /// Reaches as far and as fast as `other` too.
    pub fn reach(&mut self, other: &Self) {
        self.rate = [0, 1].map(|at| self.rate[at].max(other.rate[at]));
        self.path = [0, 1].map(|at| self.path[at].max(other.path[at]));
    }

    /// Why `run`, which has the same optimisers in turn, goes beyond it, in words; empty where it does not.
    pub fn beyond(&self, run: &Self) -> Vec<String> {
        let optimisers = format!("no run {} has been held against a forecast", run.words());
        if run.path != [0.0; 2] && self.path == [0.0; 2] {
            return vec![optimisers];
        }
        let mut reasons = Vec::new();
        for (at, word) in Self::OPTIMISERS.into_iter().enumerate() {
            // A sum of the same numbers in another order is no farther.
            let farther = |run: f64, known: f64| run > known * (1.0 + 1e-9);
            let ([rate, path], [fastest, farthest]) = ([run.rate[at], run.path[at]], [self.rate[at], self.path[at]]);
            if farther(rate, fastest) {
                reasons.push(format!(
                    "the learning rate of {word} is {:.2} times the highest that forecasts were held against",
                    rate / fastest
                ));
            }
            if farther(path, farthest) {
                reasons.push(format!(
                    "{word} goes {:.2} times as far (learning rate times steps) as any run {} that forecasts were held against",
                    path / farthest,
                    run.words()
                ));
            }
        }
        reasons
    }

    /// What stands behind "a run".
    fn words(&self) -> String {
        match self.optimisers.matches(", ").count() {
            0 => format!("with {}", self.optimisers),
            more => format!("of {} stages ({})", more + 1, self.optimisers),
        }
    }
}
