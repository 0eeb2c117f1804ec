//! A sweep's arms with their finished runs.

use std::{collections::BTreeMap, path::Path};

use titer_data::cell::Cell;

use super::{Measure, RunResults, Runs, Split, SweptAxis};
use crate::{
    plan::{RunId, Setting},
    spec::{Spec, SpecError},
};

/// A sweep: its arms, and what the tables of their finished runs say.
#[derive(Clone, Debug, Default)]
pub struct SweepResults {
    /// The sweep's title.
    pub title: String,
    /// The question that the sweep asks, in one sentence; may be empty.
    pub question: String,
    /// The swept axes, in the order of the spec.
    pub axes: Vec<SweptAxis>,
    /// The arms, in the order of the plan.
    pub arms: Vec<ArmResults>,
    /// The seeds that every arm was planned with.
    pub seeds: Vec<u64>,
    /// The command that ran the sweep.
    pub command: String,
    /// The spec as written, TOML.
    pub spec: String,
    /// The resolved plan of one run, TOML; empty where none is finished.
    pub plan: String,
    /// The version of titer that made the plan.
    pub version: String,
    /// Whether it is a quick cut of the spec: fewer seeds, smaller probes.
    pub quick: bool,
}

/// One arm: a setting of the axes, with its finished runs.
#[derive(Clone, Debug, Default)]
pub struct ArmResults {
    /// Its name in the run store.
    pub name: String,
    /// Its value on each axis, by the axis' name. Only a control outside the grid may lack some.
    pub settings: BTreeMap<String, Setting>,
    /// Which arm is its control, as an index; `None` for a control itself.
    pub control: Option<usize>,
    /// Whether it trains `bad→bad` rows, which is to claim inoculation.
    pub inoculates: bool,
    /// Its controls of inoculation, as indices, by name.
    pub inoculation: BTreeMap<String, usize>,
    /// Its finished runs.
    pub runs: Vec<RunResults>,
}

impl ArmResults {
    /// The arm's finished runs.
    pub fn finished(&self) -> Runs<'_> {
        Runs(self.runs.iter().collect())
    }
}

/// Above this mean probability of replies on neither side, rates say little.
const MOSTLY_OTHER: f64 = 0.5;

impl SweepResults {
    /// The spec that the sweep was planned from.
    ///
    /// # Errors
    /// Where this version of titer cannot read it.
    pub fn read_spec(&self) -> Result<Spec, SpecError> {
        Spec::parse(&self.spec, Path::new("the spec in sweep.toml"))
    }

    /// Every split that any run measured, in alphabetical order.
    pub fn splits(&self) -> Vec<Split> {
        let mut splits: Vec<Split> = self.runs().flat_map(|run| run.probes.keys().copied()).collect();
        splits.sort_unstable();
        splits.dedup();
        splits
    }

    /// The measures of levels, the one that says most in front: exact rates, or margins where most of the probability is on replies of
    /// neither side, as it is with long replies, whose exact rates say how a reply is worded and not whether the model obeys.
    pub fn measures(&self) -> [Measure; 3] {
        let others = self.runs().flat_map(|run| {
            let steps = run.measured();
            let mean = move |split, step| run.mean(split, Measure::Other, step);
            run.probes.keys().flat_map(move |split| steps.clone().into_iter().filter_map(move |step| mean(split, step)))
        });
        let (sum, count) = others.fold((0.0, 0), |(sum, count), other| (sum + other, count + 1));
        if sum > MOSTLY_OTHER * f64::from(count) {
            [Measure::Margin, Measure::Gap, Measure::Rate]
        } else {
            [Measure::Rate, Measure::Margin, Measure::Gap]
        }
    }

    /// Every cell that any run measured, in the order of [`Cell::all`].
    pub fn cells(&self) -> Vec<Cell> {
        let mut cells: Vec<Cell> = self.runs().flat_map(|run| run.cells.keys().copied()).collect();
        cells.sort_unstable();
        cells.dedup();
        cells
    }

    /// The finished runs of all arms.
    pub fn runs(&self) -> impl Iterator<Item = &RunResults> {
        self.arms.iter().flat_map(|arm| &arm.runs)
    }

    /// A finished run by the hash of its plan.
    pub fn run(&self, id: &RunId) -> Option<&RunResults> {
        self.runs().find(|run| run.plan_hash == id.0)
    }

    /// One run of each seed: before training all runs of a seed are the same model, so one speaks for it.
    pub fn untrained(&self) -> Runs<'_> {
        let mut one_each: BTreeMap<u64, &RunResults> = BTreeMap::new();
        for run in self.runs() {
            one_each.entry(run.seed).or_insert(run);
        }
        Runs(one_each.into_values().collect())
    }

    /// What a reader calls an axis: the field without its stage, unless stages share it.
    pub(crate) fn axis_label(&self, name: &str) -> String {
        let short = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
        let stage = name.split('.').next().unwrap_or_default();
        let (label, shared) =
            (short(name), self.axes.iter().filter(|axis| short(&axis.name) == short(name)).count() > 1);
        let label = match label.as_str() {
            "rows" => "number of rows".to_owned(),
            cell if cell.contains('→') => format!("share of {label}"),
            _ => label,
        };
        if shared && stage != label { format!("{label} in {stage}") } else { label }
    }

    /// The planned runs that are not finished, as arm and seed.
    pub fn missing(&self) -> Vec<(&str, u64)> {
        let unfinished = |arm: &ArmResults, seed: &u64| arm.runs.iter().all(|run| run.seed != *seed);
        self.arms
            .iter()
            .flat_map(|arm| self.seeds.iter().map(move |seed| (arm, seed)))
            .filter(|(arm, seed)| unfinished(arm, seed))
            .map(|(arm, seed)| (arm.name.as_str(), *seed))
            .collect()
    }

    /// The arm that an arm is compared with.
    pub(crate) fn control_of(&self, arm: usize) -> Option<&ArmResults> {
        self.arms[arm].control.and_then(|control| self.arms.get(control))
    }
}
