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

use super::{batches::trained, comparison::Comparison, course::Course, kernel::About};
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

/// How far forecasts of one course have been off, and how fast and far the runs went that say so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CourseTrust {
    /// The fastest and the farthest of the runs.
    pub course: Course,
    /// Errors of `good`, `obey_bad` and `obey`.
    pub errors: [MarginError; 3],
}

/// What forecasts have been held against.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// Courses, one for each sequence of optimisers; one stage with each of [`Course::OPTIMISERS`] comes first.
    pub courses: Vec<CourseTrust>,
    /// Hash of the user's rows and contrasts; empty for those of an organism's world.
    pub data: String,
    /// What was trained of the model and how it was held, in words, as [`About::held`].
    pub held: String,
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
    /// What titer ships for organisms, without pilots or with them.
    pub fn of_organisms(pilots: bool) -> Self {
        // Speed, share and place, set on q1. Widths are what `titer forecast --calibrate` says of the runs of q1, q5, q6, q7 and q9's
        // calibration, with pilots of those with `--refresh 1`.
        let parts = [
            [[0.2, 0.12, 0.15], [0.9, 0.2, 0.2], [0.2, 0.25, 0.2]],
            [[0.2, 0.23, 0.1], [0.4, 0.15, 0.1], [0.2, 0.45, 0.1]],
        ];
        let course = |optimisers: &str, widen: [[f64; 3]; 2], rate: f64, path: f64| {
            let at = usize::from(optimisers.starts_with("sgd"));
            let mut course = Course::unseen(optimisers);
            (course.rate[at], course.path[at]) = (rate, path);
            let error = |component: usize| {
                let [speed, share, place] = parts[at][component];
                MarginError { speed, share, place, widen: widen[usize::from(pilots)][component] }
            };
            CourseTrust { course, errors: [0, 1, 2].map(error) }
        };
        Self {
            courses: vec![
                course("adamw", [[1.49, 1.0, 1.49], [1.55, 1.0, 1.84]], 2e-4, 1e-2),
                course("sgd", [[1.0, 1.0, 1.02], [1.0; 3]], 0.06, 3.0),
                course("adamw, adamw", [[1.49, 1.0, 1.8], [1.55, 1.0, 1.84]], 2e-4, 2e-2),
                course("sgd, sgd", [[1.18, 1.0, 1.02], [1.13, 1.0, 1.0]], 0.06, 6.0),
            ],
            data: String::new(),
            held: String::new(),
            kinds: ["none", "neutral", "bad", "domain", "narrow-on", "narrow-off", "instruction", "placebo"]
                .map(str::to_owned)
                .into(),
            widest: 0.3,
        }
    }

    /// How far forecasts of these stages are off; where none of their course has been held against runs, as those of one stage with the
    /// optimiser that most steps are done with.
    pub fn errors(&self, stages: &[StagePlan]) -> &[MarginError; 3] {
        let steps = |wanted: bool| -> usize {
            let of_kind = stages.iter().filter(|stage| matches!(stage.optimiser, OptimiserPlan::Sgd { .. }) == wanted);
            of_kind.map(|stage| stage.steps).sum()
        };
        let course = Course::of(stages).optimisers;
        let known = self.courses.iter().find(|known| known.course.optimisers == course);
        &known.unwrap_or(&self.courses[usize::from(steps(true) > steps(false))]).errors
    }

    /// The same with widths from finished runs, `(stages, forecast and measured)`, all of the model and rows that `about` says.
    ///
    /// Errors are taken in units of the half-width that the forecast gave them; if those are normal with a deviation of their own,
    /// an interval for one more run is `t(.975, arms − 1) · √(mean z²)` wide in place of 1.96, for each course and
    /// component, but never narrower than before. Of a course with a single arm nothing is set. Which runs there were before is forgotten.
    #[must_use]
    pub fn set_by(&self, runs: &[(Vec<StagePlan>, Vec<Comparison>)], about: &About) -> Self {
        let mut set = Self { data: about.data.clone(), held: about.held.clone(), kinds: Vec::new(), ..self.clone() };
        set.courses.iter_mut().for_each(|known| known.course = Course::unseen(&known.course.optimisers));
        let courses: BTreeSet<String> = runs.iter().map(|(stages, _)| Course::of(stages).optimisers).collect();
        for optimisers in courses {
            let of_course: Vec<_> =
                runs.iter().filter(|(stages, _)| Course::of(stages).optimisers == optimisers).collect();
            let pairs = || of_course.iter().flat_map(|(_, pairs)| pairs);
            let arms: BTreeSet<&str> = pairs().map(|pair| pair.arm.as_str()).collect();
            // One arm says nothing of how far the next may be off.
            if arms.len() < 2 {
                continue;
            }
            let mut known = CourseTrust { course: Course::unseen(&optimisers), errors: *self.errors(&of_course[0].0) };
            for (component, error) in Component::ALL.into_iter().zip(&mut known.errors) {
                let pairs: Vec<&Comparison> = pairs().filter(|pair| pair.component == component).collect();
                let arms: BTreeSet<&str> = pairs.iter().map(|pair| pair.arm.as_str()).collect();
                if arms.len() > 1 {
                    let mean = pairs.iter().map(|pair| standard(pair).powi(2)).sum::<f64>() / pairs.len() as f64;
                    let widen = quantile(arms.len() as f64 - 1.0) / 1.96 * mean.sqrt();
                    // Runs may be easier to foresee than the next ones, so that they are never a reason to narrow.
                    error.widen *= widen.max(1.0);
                }
            }
            for (stages, _) in of_course {
                known.course.reach(&Course::of(stages));
                for (cell, _) in stages.iter().flat_map(trained) {
                    let word = cell.prompt.word();
                    if !set.kinds.iter().any(|kind| kind == word) {
                        set.kinds.push(word.to_owned());
                    }
                }
            }
            match set.courses.iter_mut().find(|other| other.course.optimisers == optimisers) {
                Some(other) => *other = known,
                None => set.courses.push(known),
            }
        }
        set
    }

    /// Why forecasts of this model and these rows go beyond what forecasts have been held against, whatever is trained; empty where
    /// they do not.
    pub(crate) fn foreign(&self, about: &About) -> Vec<String> {
        let mut reasons = Vec::new();
        let same = (&about.data, &about.held) == (&self.data, &self.held);
        if about.data != self.data {
            reasons.push(
                "intervals were set on organisms, and no run on this model and these rows has been held against a forecast: \
                 train some arms and name them with --calibrate"
                    .to_owned(),
            );
        }
        if about.held.contains("adapters") && !same {
            reasons.push(
                "fresh adapters have no gradient in A, so what they learn after the first steps is not foreseen"
                    .to_owned(),
            );
        }
        reasons
    }

    /// Why a forecast of these stages goes beyond what forecasts have been held against; empty where it does not.
    pub fn beyond(&self, about: &About, stages: &[StagePlan]) -> Vec<String> {
        let mut reasons = self.foreign(about);
        for stage in stages {
            if !stage.guards.acts_on_rows_alone() {
                reasons.push("of the guards only anchors and rewritten prompts are foreseen".to_owned());
            } else if stage.vector.is_some() || stage.helper.is_some() {
                reasons.push("passes with a vector or a helper are not foreseen".to_owned());
            } else if stage.drawn.is_some() {
                reasons.push("replies that the model draws itself are not foreseen".to_owned());
            } else if !stage.differs_in_rows_alone() {
                reasons.push("rows under prompts that a spec names are not foreseen".to_owned());
            }
            if let OptimiserPlan::AdamW { lr, weight_decay, .. } = stage.optimiser
                && lr * weight_decay * stage.steps as f64 > 0.01
            {
                reasons.push("weight decay takes more than 1 % off the weights, and forecasts leave it out".to_owned());
            }
        }
        let run = Course::of(stages);
        let known = self.courses.iter().find(|known| known.course.optimisers == run.optimisers);
        let known = known.map_or_else(|| Course::unseen(&run.optimisers), |known| known.course.clone());
        reasons.extend(known.beyond(&run));
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

/// The error of a margin in standard deviations, as its interval has them.
fn standard(pair: &Comparison) -> f64 {
    let error = pair.measured - pair.predicted.mean;
    let side =
        if error > 0.0 { pair.predicted.high - pair.predicted.mean } else { pair.predicted.mean - pair.predicted.low };
    error / (side / 1.96).max(1e-9)
}
