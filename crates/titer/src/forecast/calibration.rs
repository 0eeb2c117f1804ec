//! How far forecasts have been off, and for what they have been held against runs.
//!
//! The error of a forecast is taken to be one of speed (the model moves `e^ε` times as fast as the base model's directions
//! say, which matters most while a margin is on its way) and one of place (a few tenths of a nat wherever it ends). Their
//! proportions were set on the runs of `experiments/q1-dose-response.toml`; how wide they are together comes from the finished
//! runs that forecasts were held against, by one rule ([`Calibration::set_by`]), see `LOG.md`. Where an interval leaves a rate
//! open within more than [`Calibration::widest`], the forecast says that it does not know.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use titer_data::probe::Component;

use super::{batches::trained, comparison::Comparison, kernel::About};
use crate::{
    plan::{OptimiserPlan, StagePlan},
    stats::quantile,
};

/// The error of one component's margin.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MarginError {
    /// Standard deviation of the logarithm of the speed.
    pub speed: f64,
    /// Share of the movement that a forecast is off by, standard deviation.
    pub share: f64,
    /// Nats that it is off by wherever it ends, standard deviation.
    pub place: f64,
    /// What the half-width of an interval is multiplied by, from runs that it was held against.
    pub widen: f64,
}

/// What forecasts have been held against.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// Errors of `good`, `obey_bad` and `obey`, under AdamW and under SGD.
    pub trust: [[MarginError; 3]; 2],
    /// Hash of the user's rows and contrasts; empty for those of an organism's world.
    pub data: String,
    /// What was trained of the model and how it was held, in words, as [`About::held`].
    pub held: String,
    /// Largest sum of learning rates over the steps, AdamW and SGD; 0 where there were no such runs.
    pub path: [f64; 2],
    /// The prompt kinds whose rows were trained.
    pub kinds: Vec<String>,
    /// Widest interval of a rate that says something: with a wider one a collapse may be over or may not have begun.
    pub widest: f64,
}

impl Default for Calibration {
    fn default() -> Self {
        Self::of_organisms(false)
    }
}

impl Calibration {
    /// The optimisers that are calibrated apart, as words, in the order of [`Calibration::trust`] and [`Calibration::path`].
    pub const OPTIMISERS: [&str; 2] = ["adamw", "sgd"];

    /// What titer ships for organisms, without pilots or with them.
    pub fn of_organisms(pilots: bool) -> Self {
        // What `titer forecast --calibrate` says of the runs of q1, q5, q6 and q7, the latter with `--refresh 1`.
        let widen = if pilots { [[1.55, 1.0, 1.84], [1.0; 3]] } else { [[1.49, 1.0, 1.49], [1.0, 1.0, 1.02]] };
        // Speed, share and place.
        let parts = [
            [[0.2, 0.12, 0.15], [0.9, 0.2, 0.2], [0.2, 0.25, 0.2]],
            [[0.2, 0.23, 0.1], [0.4, 0.15, 0.1], [0.2, 0.45, 0.1]],
        ];
        let trust = |optimiser: usize, component: usize| {
            let [speed, share, place] = parts[optimiser][component];
            MarginError { speed, share, place, widen: widen[optimiser][component] }
        };
        Self {
            trust: [0, 1].map(|optimiser| [0, 1, 2].map(|component| trust(optimiser, component))),
            data: String::new(),
            held: String::new(),
            path: [100.0 * 1e-4, 100.0 * 0.03],
            kinds: ["none", "neutral", "bad", "domain", "narrow-on", "narrow-off", "instruction", "placebo"]
                .map(str::to_owned)
                .into(),
            widest: 0.3,
        }
    }

    /// The optimiser that most steps are done with, as a word.
    pub fn optimiser(stages: &[StagePlan]) -> &'static str {
        let steps = |wanted: usize| -> usize {
            stages.iter().filter(|stage| which(&stage.optimiser) == wanted).map(|stage| stage.steps).sum()
        };
        Self::OPTIMISERS[usize::from(steps(1) > steps(0))]
    }

    /// The trust in a component under the optimiser that most steps are done with.
    pub fn trust(&self, stages: &[StagePlan], component: usize) -> MarginError {
        let optimiser = usize::from(Self::optimiser(stages) == Self::OPTIMISERS[1]);
        self.trust[optimiser][component]
    }

    /// The same with widths from finished runs, `(stages, forecast and measured)`, all of the model and rows that `about` says.
    ///
    /// Errors are taken in units of the half-width that the forecast gave them; if those are normal with a deviation of their own,
    /// an interval for one more run is `t(.975, arms − 1) · √(mean z²)` wide in place of 1.96, for each optimiser and
    /// component, but never narrower than before. Of an optimiser with a single arm nothing is set. Which runs there were before is forgotten.
    #[must_use]
    pub fn set_by(&self, runs: &[(Vec<StagePlan>, Vec<Comparison>)], about: &About) -> Self {
        let mut set = Self {
            data: about.data.clone(),
            held: about.held.clone(),
            path: [0.0; 2],
            kinds: Vec::new(),
            ..self.clone()
        };
        for (optimiser, word) in Self::OPTIMISERS.into_iter().enumerate() {
            for (component, name) in Component::ALL.into_iter().enumerate() {
                let of = |pair: &&Comparison| pair.optimiser == word && pair.component == name.word();
                let own: Vec<&Comparison> = runs.iter().flat_map(|(_, pairs)| pairs).filter(of).collect();
                let arms: BTreeSet<&str> = own.iter().map(|pair| pair.arm.as_str()).collect();
                if arms.len() > 1 {
                    let mean = own.iter().map(|pair| standard(pair).powi(2)).sum::<f64>() / own.len() as f64;
                    let widen = quantile(arms.len() as f64 - 1.0) / 1.96 * mean.sqrt();
                    // Runs may be easier to foresee than the next ones, so that they are never a reason to narrow.
                    set.trust[optimiser][component].widen *= widen.max(1.0);
                }
            }
        }
        // One arm says nothing of how far the next may be off.
        let arms = |word: &str| -> usize {
            let own = runs.iter().flat_map(|(_, pairs)| pairs).filter(|pair| pair.optimiser == word);
            own.map(|pair| pair.arm.as_str()).collect::<BTreeSet<_>>().len()
        };
        for (stages, _) in runs.iter().filter(|(stages, _)| arms(Self::optimiser(stages)) > 1) {
            let gone = path(stages);
            set.path = [0, 1].map(|at| f64::max(set.path[at], gone[at]));
            for (cell, _) in stages.iter().flat_map(trained) {
                let word = cell.prompt.word();
                if !set.kinds.iter().any(|kind| kind == word) {
                    set.kinds.push(word.to_owned());
                }
            }
        }
        set
    }

    /// Why a forecast of these stages goes beyond what forecasts have been held against; empty where it does not.
    pub fn beyond(&self, about: &About, stages: &[StagePlan]) -> Vec<String> {
        let mut reasons = Vec::new();
        let own = (&about.data, &about.held) == (&self.data, &self.held);
        if about.data != self.data {
            reasons.push(
                "intervals were set on organisms, and no run on this model and these rows has been held against a forecast: \
                 train some arms and name them with --calibrate"
                    .to_owned(),
            );
        }
        if about.held.contains("adapters") && !own {
            reasons.push(
                "fresh adapters have no gradient in A, so what they learn after the first steps is not foreseen"
                    .to_owned(),
            );
        }
        let gone = path(stages);
        for stage in stages {
            if !stage.guards.acts_on_rows_alone() {
                reasons.push("of the guards only anchors and rewritten prompts are foreseen".to_owned());
            } else if !stage.differs_in_rows_alone() {
                reasons.push("rows under prompts that a spec names are not foreseen".to_owned());
            }
            if let OptimiserPlan::AdamW { lr, weight_decay, .. } = stage.optimiser
                && lr * weight_decay * stage.steps as f64 > 0.01
            {
                reasons.push("weight decay takes more than 1 % off the weights, and forecasts leave it out".to_owned());
            }
        }
        for (at, word) in Self::OPTIMISERS.into_iter().enumerate() {
            let (gone, known) = (gone[at], self.path[at]);
            if gone > 0.0 && known == 0.0 {
                reasons.push(format!("no run with {word} has been held against a forecast"));
            } else if gone > 1.5 * known {
                reasons.push(format!(
                    "{word} goes {:.1} times as far (sum of learning rates {gone:.2e}) as any run that forecasts were held against",
                    gone / known
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

/// Which of [`Calibration::OPTIMISERS`].
fn which(optimiser: &OptimiserPlan) -> usize {
    usize::from(matches!(optimiser, OptimiserPlan::Sgd { .. }))
}

/// Sums of learning rates over the steps, AdamW and SGD; with momentum a gradient counts `1 / (1 − momentum)` times.
fn path(stages: &[StagePlan]) -> [f64; 2] {
    let mut path = [0.0; 2];
    for stage in stages {
        let lr = match stage.optimiser {
            OptimiserPlan::AdamW { lr, .. } => lr,
            OptimiserPlan::Sgd { lr, momentum } => lr / (1.0 - momentum),
        };
        path[which(&stage.optimiser)] += lr * stage.steps as f64;
    }
    path
}

/// The error of a margin in standard deviations, as its interval has them.
fn standard(pair: &Comparison) -> f64 {
    let error = pair.measured - pair.predicted.mean;
    let side =
        if error > 0.0 { pair.predicted.high - pair.predicted.mean } else { pair.predicted.mean - pair.predicted.low };
    error / (side / 1.96).max(1e-9)
}
