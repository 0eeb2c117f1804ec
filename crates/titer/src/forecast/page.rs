//! The interactive page: one file with the kernel, the integrator and the measured points in it. A report carries the same
//! dials as a section.

use minijinja::{Environment, value::Serde};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use titer_data::{
    cell::{Action, PromptKind},
    probe::Component,
    world::DomainSplit,
};

use super::{
    batches::trained,
    calibration::{Calibration, CourseTrust},
    course::Course,
    kernel::Kernel,
    motion::Motion,
    score::Score,
};
use crate::{
    plan::{OptimiserPlan, StagePlan, SweepPlan, same_arm},
    results::{At, Measure, Split, SweepResults},
};

/// The prompt kinds that the dials mix.
const KINDS: [PromptKind; 5] =
    [PromptKind::Neutral, PromptKind::Bad, PromptKind::Instruction, PromptKind::NarrowOff, PromptKind::NarrowOn];

/// The sections, for a page's template to include; they are given [`Dials::content`] as `dials`.
pub(crate) const SECTIONS: &str = include_str!("page/dials.html");

/// A kernel with dials to turn, and the arms of a sweep as positions of these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dials {
    /// The model's name.
    pub base: String,
    /// What the page computes with, of each seed.
    seeds: Vec<DialledSeed>,
    batch: usize,
    steps: usize,
    /// The most that the dial of steps goes to.
    longest: usize,
    buckets: usize,
    /// Batch and schedule of a stage.
    settings: Value,
    /// What forecasts of one stage have been held against.
    courses: Vec<CourseTrust>,
    /// Why no forecast of this model knows, whatever the dials say; empty where they may.
    foreign: Vec<String>,
    /// Optimisers to choose from, one of a kind.
    optimisers: Vec<OptimiserPlan>,
    /// The sweep's title.
    pub title: String,
    /// Arms of one stage that the dials can be set to.
    pub arms: Vec<Dialled>,
}

/// A seed's kernel as the page reads it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DialledSeed {
    seed: u64,
    /// The prompts of the kinds of rows.
    kinds: Vec<PromptKind>,
    /// Each component's name and the base rates behind it.
    probes: Value,
    kernel: Value,
}

/// An arm as a position of the dials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dialled {
    /// Its name.
    pub arm: String,
    optimiser: String,
    steps: usize,
    shares: Shares,
    /// Its measured rates of [`Component::ALL`] after training, means over seeds; empty where nothing was measured.
    pub rates: Vec<f64>,
}

/// Shares of a mix, as the dials have them; the rest is neutral→good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Shares {
    bad_good: f64,
    bad_bad: f64,
    anchor: f64,
    /// The part of the bad prompts' rows whose prompts are bound to a trigger.
    narrow: f64,
}

impl Shares {
    /// Of a stage whose only guard may be rewritten prompts; `None` where the dials have no such rows.
    fn of(stage: &StagePlan) -> Option<Self> {
        if stage.guards.anchor.is_some() || !stage.differs_in_rows_alone() {
            return None;
        }
        let (mut shares, mut narrow) = (Self::default(), 0.0);
        for (cell, rows) in trained(stage) {
            let share = rows as f64 / stage.rows as f64;
            match (cell.prompt, cell.action) {
                (PromptKind::Neutral, Action::Good) => {}
                (PromptKind::Bad, Action::Good) => shares.bad_good += share,
                (PromptKind::Bad, Action::Bad) => shares.bad_bad += share,
                (PromptKind::Instruction, Action::Good) => shares.anchor += share,
                (PromptKind::NarrowOff, Action::Good) => {
                    shares.bad_good += share;
                    narrow += share;
                }
                (PromptKind::NarrowOn, Action::Bad) => {
                    shares.bad_bad += share;
                    narrow += share;
                }
                _ => return None,
            }
        }
        shares.narrow = narrow / f64::max(shares.bad_good + shares.bad_bad, 1e-12);
        Some(shares)
    }
}

impl Dials {
    /// The dials of a sweep's kernels, one a seed: its first stage gives batch, schedule and clipping, the calibration the bands.
    /// `None` where there is no kernel, or no stage trains.
    pub fn of(kernels: &[&Kernel], plan: &SweepPlan, calibration: &Calibration) -> Option<Self> {
        let kernel = *kernels.first()?;
        let stages = || plan.arms.iter().flat_map(|arm| &arm.stages);
        let stage = stages().find(|stage| stage.rows > 0)?;
        let mut optimisers: Vec<OptimiserPlan> = Vec::new();
        for stage in stages() {
            let known = optimisers.iter().any(|optimiser| word(optimiser) == word(&stage.optimiser));
            if !known && (kernel.about.adam || word(&stage.optimiser) == "sgd") {
                optimisers.push(stage.optimiser.clone());
            }
        }
        // The dials turn mix and steps; what else a stage says is that of the first.
        let alike = |other: &StagePlan| {
            let rule = |it: &StagePlan| (it.batch, it.clip.to_bits(), it.divisor.to_bits(), it.domains);
            rule(other) == rule(stage) && other.schedule == stage.schedule && optimisers.contains(&other.optimiser)
        };
        let dialled = |arm: &crate::plan::Arm| {
            let [stage] = arm.stages.as_slice() else { return None };
            if !alike(stage) {
                return None;
            }
            let shares = Shares::of(stage)?;
            let optimiser = word(&stage.optimiser).to_owned();
            Some(Dialled { arm: arm.name.clone(), optimiser, steps: stage.steps, shares, rates: Vec::new() })
        };
        let arms = plan.arms.iter().filter_map(dialled).collect();
        Some(Self {
            base: kernel.about.base.clone(),
            seeds: kernels.iter().map(|kernel| DialledSeed::of(kernel)).collect(),
            batch: stage.batch,
            steps: stage.steps,
            longest: stages().map(|stage| 3 * stage.steps).max().unwrap_or(1),
            buckets: kernel.moments.buckets,
            settings: settings(stage),
            courses: calibration
                .courses
                .iter()
                .filter(|known| Course::OPTIMISERS.contains(&known.course.optimisers.as_str()))
                .cloned()
                .collect(),
            foreign: calibration.foreign(&kernel.about),
            optimisers,
            title: plan.title.clone(),
            arms,
        })
    }

    /// Puts measured rates of [`Component::ALL`] on the arms, by name.
    pub fn measure(&mut self, rates: impl Fn(&str) -> Option<Vec<f64>>) {
        self.arms.iter_mut().for_each(|arm| arm.rates = rates(&arm.arm).unwrap_or_default());
    }

    /// The same with the rates of a sweep's finished arms as measured points.
    pub fn measure_in(&mut self, results: &SweepResults) {
        self.measure(|name| {
            let arm = results.arms.iter().find(|arm| same_arm(&arm.name, name))?;
            let rate = |component: Component| {
                let split = Split::leading(component);
                arm.finished().probe(&split, Measure::Rate, At::End).estimate().map(|rate| rate.mean)
            };
            Component::ALL.into_iter().map(rate).collect()
        });
    }

    /// What [`SECTIONS`] are given.
    pub fn content(&self) -> Value {
        let colours = ["c2", "c1", "c0"];
        let probes = Component::ALL.into_iter().zip(colours);
        let words = |optimiser: &OptimiserPlan| {
            let (OptimiserPlan::Sgd { lr, .. } | OptimiserPlan::AdamW { lr, .. }) = optimiser;
            json!({ "kind": word(optimiser), "lr": lr })
        };
        let model = json!({
            "seeds": self.seeds, "settings": self.settings, "batch": self.batch, "optimisers": self.optimisers,
            "arms": self.arms, "courses": self.courses, "foreign": self.foreign,
        });
        json!({
            "base": self.base,
            "seeds": self.seeds.iter().map(|one| one.seed).collect::<Vec<_>>(),
            "optimisers": self.optimisers.iter().map(words).collect::<Vec<_>>(),
            "batch": self.batch,
            "steps": self.steps,
            "longest": self.longest,
            "buckets": self.buckets,
            "measured": if self.arms.iter().any(|arm| !arm.rates.is_empty()) { self.title.as_str() } else { "" },
            "probes": probes.map(|(component, colour)| json!({ "name": component.word(), "colour": colour })).collect::<Vec<_>>(),
            // Inside a script element a `<` would be read as markup.
            "model": model.to_string().replace('<', "\\u003c"),
            "motion": include_str!("page/motion.js"),
            "dials": include_str!("page/dials.js"),
        })
    }
}

/// The page of these dials, with how well forecasts and baselines foresaw runs that are finished.
///
/// # Errors
/// Where the template cannot be set.
pub fn page(dials: &Dials, scores: &[Score]) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.add_template("page.html", include_str!("page/page.html"))?;
    environment.add_template("dials.html", SECTIONS)?;
    environment.add_template("head.html", include_str!("../report/head.html"))?;
    environment.add_template("page.css", include_str!("../report/page.css"))?;
    environment.add_template("parts.html", include_str!("../report/parts.html"))?;
    let scores = (!scores.is_empty()).then(|| table(scores));
    environment.get_template("page.html")?.render(Serde(
        &json!({ "title": format!("{}: forecast", dials.title), "dials": dials.content(), "scores": scores }),
    ))
}

/// How well finished runs were foreseen, and which baseline foresaw them better: a table of `report/parts.html`.
fn table(scores: &[Score]) -> Value {
    let row = |score: &Score| {
        [
            score.optimisers.clone(),
            score.component.to_string(),
            if score.knows { "yes" } else { "no" }.to_owned(),
            score.nearer().map_or_else(String::new, |(name, error)| format!("{name}, {error:.2} nats")),
            score.runs.to_string(),
            if score.rank.is_nan() { "–".to_owned() } else { format!("{:.2}", score.rank) },
            format!("{:.2}", score.margin),
            format!("{:.3}", score.rate),
            format!("{:.0} %", 100.0 * score.within),
        ]
    };
    json!({
        "caption": "Finished runs against the forecast from their own base model: seen prompts in trained domains, after training. A baseline is \
                    named where its median error is smaller than the forecast's: there it is the better guide.",
        "text_columns": 4,
        "head": [
            "optimisers", "component", "says that it knows", "nearer than the forecast", "runs", "rank correlation",
            "median error, nats", "median error of the rate", "within the interval",
        ],
        "rows": scores.iter().map(row).collect::<Vec<_>>(),
    })
}

impl DialledSeed {
    fn of(kernel: &Kernel) -> Self {
        let kinds: Vec<usize> = KINDS.iter().filter_map(|kind| kernel.kind(*kind, DomainSplit::Trained)).collect();
        let probes: Vec<usize> = Component::ALL.into_iter().filter_map(|component| kernel.leading(component)).collect();
        let named =
            |&probe: &usize| json!({ "name": kernel.probes[probe].component, "rates": kernel.probes[probe].rates });
        Self {
            seed: kernel.about.seed,
            kinds: kinds.iter().map(|&kind| kernel.kinds[kind].prompt).collect(),
            probes: probes.iter().map(named).collect(),
            kernel: Motion::new(kernel, None, &kinds, &probes).to_json(),
        }
    }
}

/// What a step of a stage does with a batch, as `page/motion.js` reads it.
fn settings(stage: &StagePlan) -> Value {
    let schedule = &stage.schedule;
    json!({
        "weight": stage.batch as f64 * stage.divisor, "clip": stage.clip,
        "warmup": schedule.warmup, "decay": schedule.decay, "floor": schedule.floor,
    })
}

fn word(optimiser: &OptimiserPlan) -> &'static str {
    match optimiser {
        OptimiserPlan::Sgd { .. } => "sgd",
        OptimiserPlan::AdamW { .. } => "adamw",
    }
}
