//! How far forecasts have been off, and for what they have been held against runs.
//!
//! The error of a forecast is taken to be one of speed (the model moves `e^ε` times as fast as the base model's directions
//! say, which matters most while a margin is on its way) and one of place (a few tenths of a nat wherever it ends). Both
//! were measured once per optimiser and component on the runs of `experiments/q1-dose-response.toml`, see `LOG.md`. Where the
//! two leave a rate open within more than [`Calibration::widest`], the forecast says that it does not know.

use serde::{Deserialize, Serialize};

use super::{course::trained, kernel::About};
use crate::plan::{Optimiser, StagePlan};

/// The error of one component's margin.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trust {
    /// Standard deviation of the logarithm of the speed.
    pub speed: f64,
    /// Share of the movement that a forecast is off by, standard deviation.
    pub share: f64,
    /// Nats that it is off by wherever it ends, standard deviation.
    pub place: f64,
}

/// What forecasts have been held against.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// Errors of `good`, `obey_bad` and `obey` under AdamW.
    pub adamw: [Trust; 3],
    /// The same under SGD.
    pub sgd: [Trust; 3],
    /// Largest sum of learning rates over the steps, AdamW and SGD.
    pub path: [f64; 2],
    /// The prompt kinds whose rows were trained.
    pub kinds: Vec<String>,
    /// Widest interval of a rate that says something: with a wider one a collapse may be over or may not have begun.
    pub widest: f64,
}

impl Default for Calibration {
    fn default() -> Self {
        let trust = |speed, share, place| Trust { speed, share, place };
        Self {
            adamw: [trust(0.2, 0.12, 0.15), trust(0.9, 0.2, 0.2), trust(0.2, 0.25, 0.2)],
            sgd: [trust(0.2, 0.23, 0.1), trust(0.4, 0.15, 0.1), trust(0.2, 0.45, 0.1)],
            path: [100.0 * 1e-4, 100.0 * 0.03],
            kinds: ["none", "neutral", "bad", "domain", "narrow-on", "narrow-off", "instruction", "placebo"]
                .map(str::to_owned)
                .into(),
            widest: 0.3,
        }
    }
}

impl Calibration {
    /// The trust in a component under the optimiser that most steps are done with.
    pub fn trust(&self, stages: &[StagePlan], component: usize) -> Trust {
        let adam = |stage: &&StagePlan| matches!(stage.optimiser, Optimiser::AdamW { .. });
        let steps = |stages: &mut dyn Iterator<Item = &StagePlan>| stages.map(|stage| stage.steps).sum::<usize>();
        let adam = 2 * steps(&mut stages.iter().filter(adam)) >= steps(&mut stages.iter());
        if adam { self.adamw[component] } else { self.sgd[component] }
    }

    /// Why a forecast of these stages goes beyond what forecasts have been held against; empty where it does not.
    pub fn beyond(&self, about: &About, stages: &[StagePlan]) -> Vec<String> {
        let mut reasons = Vec::new();
        if !about.data.is_empty() {
            reasons.push(
                "intervals were set on organisms, and no run on this model and these rows has been held against a forecast"
                    .to_owned(),
            );
        }
        if about.held.contains("adapters") {
            reasons.push(
                "fresh adapters have no gradient in A, so what they learn after the first steps is not foreseen"
                    .to_owned(),
            );
        }
        let mut path = [0.0, 0.0];
        for stage in stages {
            let (at, lr) = match stage.optimiser {
                Optimiser::AdamW { lr, .. } => (0, lr),
                Optimiser::Sgd { lr, momentum } => (1, lr / (1.0 - momentum)),
            };
            path[at] += lr * stage.steps as f64;
            if !stage.guards.acts_on_rows_alone() {
                reasons.push("of the guards only anchors and rewritten prompts are foreseen".to_owned());
            } else if !stage.differs_in_rows_alone() {
                reasons.push("rows under prompts that a spec names are not foreseen".to_owned());
            }
            if let Optimiser::AdamW { lr, weight_decay, .. } = stage.optimiser
                && lr * weight_decay * stage.steps as f64 > 0.01
            {
                reasons.push("weight decay takes more than 1 % off the weights, and forecasts leave it out".to_owned());
            }
        }
        let words = [("adamw", 0), ("sgd", 1)];
        for (word, at) in words {
            if path[at] > 1.5 * self.path[at] {
                reasons.push(format!(
                    "{word} goes {:.1} times as far (sum of learning rates {:.2e}) as any run that forecasts were held against",
                    path[at] / self.path[at],
                    path[at]
                ));
            }
        }
        let mut foreign: Vec<&str> = Vec::new();
        let total: usize = stages.iter().map(|stage| stage.rows).sum();
        for (cell, rows) in stages.iter().flat_map(trained) {
            let word = cell.prompt.word();
            // A few rows of another kind hardly move anything.
            if !self.kinds.iter().any(|kind| kind == word) && rows * 20 > total && !foreign.contains(&word) {
                foreign.push(word);
            }
        }
        if !foreign.is_empty() {
            reasons.push(format!("no run with {} rows has been held against a forecast", foreign.join(", ")));
        }
        reasons
    }
}
