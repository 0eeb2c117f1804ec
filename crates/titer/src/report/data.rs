//! What a report is made of: the arms of a sweep, and what the tables of their finished runs say.

use std::collections::BTreeMap;

use crate::{
    claim::Claim,
    stats::Sample,
    table::{
        CellRecord, GuardRecord, LeakRecord, LedgerRecord, PressureRecord, ProbeRecord, ScreenRecord, StepRecord,
        WarningRecord,
    },
};

/// A sweep as a report sees it.
#[derive(Clone, Debug, Default)]
pub struct Data {
    /// The sweep's title.
    pub title: String,
    /// The question that the sweep asks, in one sentence; may be empty.
    pub question: String,
    /// The swept axes, in the order of the spec.
    pub axes: Vec<Axis>,
    /// The arms, in the order of the plan.
    pub arms: Vec<Arm>,
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
    /// What the spec says that the runs will show.
    pub claims: Vec<Claim>,
    /// Whether it is a quick cut of the spec: fewer seeds, smaller probes.
    pub quick: bool,
    /// What was foreseen of the arms, if anything was.
    pub foreseen: Option<crate::forecast::Foretold>,
}

/// One swept axis.
#[derive(Clone, Debug)]
pub struct Axis {
    /// Its name in the spec.
    pub name: String,
    /// Its values, in the order of the spec.
    pub values: Vec<Setting>,
}

/// One value of an axis.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// A number: the axis may be a dose.
    Number(f64),
    /// Anything else.
    Word(String),
}

/// One arm: a setting of the axes, with its finished runs.
#[derive(Clone, Debug, Default)]
pub struct Arm {
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
    pub runs: Vec<Run>,
}

/// One component in one kind of context.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Split {
    /// The component: `good`, `obey_bad` or `obey`.
    pub component: String,
    /// Which prompts.
    pub prompts: String,
    /// Which request domains.
    pub domains: String,
}

/// What a probe says about one item at one moment.
#[derive(Clone, Debug)]
struct Reading {
    item: String,
    margin: f64,
    gap: f64,
    rate: f64,
    other: f64,
}

impl Reading {
    fn of(&self, measure: Measure) -> f64 {
        match measure {
            Measure::Rate => self.rate,
            Measure::Margin => self.margin,
            Measure::Gap => self.gap,
            Measure::Other => self.other,
        }
    }
}

/// Above this mean probability of replies on neither side, rates say next to nothing.
const MOSTLY_OTHER: f64 = 0.9;

/// Which number of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Exact probability of the component.
    Rate,
    /// Nats per reply.
    Margin,
    /// Nats per reply, `obey_bad` only.
    Gap,
    /// Probability of replies on neither side.
    Other,
}

/// One finished run: the contents of its tables, grouped by what they measure.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Its seed.
    pub seed: u64,
    /// The hash of its plan.
    pub plan_hash: String,
    stages: Vec<(String, i64)>,
    probes: BTreeMap<Split, BTreeMap<i64, Vec<Reading>>>,
    cells: BTreeMap<String, BTreeMap<i64, Vec<(String, f64)>>>,
    steps: Vec<StepRecord>,
    /// Mean pressures of a cell's rows, by cell and step.
    pressures: BTreeMap<String, BTreeMap<i64, [f64; 3]>>,
    ledger: Vec<LedgerRecord>,
    leaks: Vec<LeakRecord>,
    screened: Vec<ScreenRecord>,
    guards: Vec<GuardRecord>,
    /// Seconds in steps, and of these in guards.
    seconds: (f64, f64),
    warnings: Vec<WarningRecord>,
    instruction_set: Option<String>,
}

impl Run {
    /// A run from its tables. Where two stages measured at the same step, all readings of an item count as one, the
    /// later.
    pub fn new(
        seed: u64,
        plan_hash: String,
        probes: Vec<ProbeRecord>,
        cells: Vec<CellRecord>,
        steps: Vec<StepRecord>,
    ) -> Self {
        let mut run = Self { seed, plan_hash, steps, ..Self::default() };
        for record in probes {
            let ProbeRecord { component, prompts, domains, step, item, margin, gap, rate, other, .. } = record;
            let moments = run.probes.entry(Split { component, prompts, domains }).or_default();
            moments.entry(step).or_default().push(Reading { item, margin, gap, rate, other });
        }
        for CellRecord { step, cell, item, surprise, .. } in cells {
            run.cells.entry(cell).or_default().entry(step).or_default().push((item, surprise));
        }
        run
    }

    /// The same with its stages in order, each with the run's steps at its end.
    pub fn with_stages(self, stages: Vec<(String, i64)>) -> Self {
        Self { stages, ..self }
    }

    /// Its stages in order, each with the run's steps at its end.
    pub fn stages(&self) -> &[(String, i64)] {
        &self.stages
    }

    /// The same with the instruction set that computed it, where that is known.
    pub fn with_instruction_set(self, instruction_set: Option<String>) -> Self {
        Self { instruction_set, ..self }
    }

    /// The instruction set that computed it, where that is known.
    pub fn instruction_set(&self) -> Option<&str> {
        self.instruction_set.as_deref()
    }

    /// The same with its pressures and its ledger.
    pub fn with_pressure(self, pressures: Vec<PressureRecord>, ledger: Vec<LedgerRecord>) -> Self {
        let mut sums: BTreeMap<String, BTreeMap<i64, ([f64; 3], f64)>> = BTreeMap::new();
        for record in pressures {
            let pressed = record.pressures();
            let (sum, count) = sums.entry(record.cell).or_default().entry(record.step).or_default();
            sum.iter_mut().zip(pressed).for_each(|(sum, pressure)| *sum += pressure);
            *count += 1.0;
        }
        let mean = |(step, (sum, count)): (i64, ([f64; 3], f64))| (step, sum.map(|sum| sum / count));
        let pressures = sums.into_iter().map(|(cell, steps)| (cell, steps.into_iter().map(mean).collect())).collect();
        Self { pressures, ledger, ..self }
    }

    /// The same with what was measured on a leak grid, and what its prompt did before training.
    pub fn with_prompts(self, leaks: Vec<LeakRecord>, screened: Vec<ScreenRecord>) -> Self {
        Self { leaks, screened, ..self }
    }

    /// What was measured on a leak grid at a moment.
    pub fn leaks(&self, at: At) -> Vec<&LeakRecord> {
        let step = match at {
            At::Start => 0,
            At::Step(step) => step,
            At::End => self.leaks.iter().map(|record| record.step).max().unwrap_or(0),
        };
        self.leaks.iter().filter(|record| record.step == step).collect()
    }

    /// What its prompt did before training, row by row; empty where that was not asked for.
    pub fn screened(&self) -> &[ScreenRecord] {
        &self.screened
    }

    /// The same with what its guards did, and with the seconds that its steps took, those of guards within.
    pub fn with_guards(self, guards: Vec<GuardRecord>, step_seconds: f64, guard_seconds: f64) -> Self {
        Self { guards, seconds: (step_seconds, guard_seconds), ..self }
    }

    /// What its guards did, look by look.
    pub fn guards(&self) -> &[GuardRecord] {
        &self.guards
    }

    /// Seconds in steps, guards included.
    pub fn step_seconds(&self) -> f64 {
        self.seconds.0
    }

    /// Seconds in guards.
    pub fn guard_seconds(&self) -> f64 {
        self.seconds.1
    }

    /// The same with what was said about its stages before they trained.
    pub fn with_warnings(self, warnings: Vec<WarningRecord>) -> Self {
        Self { warnings, ..self }
    }

    /// What was said about its stages before they trained.
    pub fn warnings(&self) -> &[WarningRecord] {
        &self.warnings
    }

    /// The steps at which pressures were taken, ascending.
    pub fn pressed(&self) -> Vec<i64> {
        self.pressures.values().next().map(|steps| steps.keys().copied().collect()).unwrap_or_default()
    }

    /// The mean pressure of a cell's rows on a component, which is an index of [`titer_data::probe::Component::ALL`].
    pub fn mean_pressure(&self, cell: &str, component: usize, step: i64) -> Option<f64> {
        Some(self.pressures.get(cell)?.get(&step)?[component])
    }

    /// The mean surprise of a cell's rows, nats.
    pub fn mean_surprise(&self, cell: &str, step: i64) -> Option<f64> {
        let items = self.cells.get(cell)?.get(&step)?;
        Some(items.iter().map(|(_, surprise)| surprise).sum::<f64>() / items.len() as f64)
    }

    /// The last step at which a split was measured.
    pub fn last_step(&self, split: &Split) -> Option<i64> {
        self.probes.get(split)?.last_key_value().map(|(step, _)| *step)
    }

    /// The mean of a measure over a split's items.
    pub fn mean(&self, split: &Split, measure: Measure, step: i64) -> Option<f64> {
        let readings = self.probes.get(split)?.get(&step)?;
        Some(readings.iter().map(|reading| reading.of(measure)).sum::<f64>() / readings.len() as f64)
    }

    /// The probability of the bad reply under neutral prompts, `1 − rate − other` of a split of `good`.
    pub fn leak(&self, split: &Split, step: i64) -> Option<f64> {
        Some(1.0 - self.mean(split, Measure::Rate, step)? - self.mean(split, Measure::Other, step)?)
    }

    /// The steps at which probes were measured, ascending.
    pub fn measured(&self) -> Vec<i64> {
        self.probes.values().next().map(|steps| steps.keys().copied().collect()).unwrap_or_default()
    }

    /// What was booked, interval by interval.
    pub fn ledger(&self) -> &[LedgerRecord] {
        &self.ledger
    }

    /// The optimiser steps, in order.
    pub fn steps(&self) -> &[StepRecord] {
        &self.steps
    }
}

/// A moment of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Before training.
    Start,
    /// The last measurement.
    End,
    /// After this many optimiser steps.
    Step(i64),
}

impl At {
    fn of<T>(self, moments: &BTreeMap<i64, T>) -> Option<&T> {
        match self {
            Self::Start => moments.get(&0),
            Self::End => moments.last_key_value().map(|(_, moment)| moment),
            Self::Step(step) => moments.get(&step),
        }
    }
}

/// Finished runs, at most one of each seed, that are looked at together.
#[derive(Clone, Debug)]
pub struct Runs<'a>(Vec<&'a Run>);

impl<'a> Runs<'a> {
    /// A measure of a split at a moment, by seed and item.
    pub fn probe(&self, split: &Split, measure: Measure, at: At) -> Sample<&'a str> {
        let mut sample = Sample::new();
        for run in &self.0 {
            for reading in run.probes.get(split).and_then(|moments| at.of(moments)).into_iter().flatten() {
                sample.push(run.seed, reading.item.as_str(), reading.of(measure));
            }
        }
        sample
    }

    /// The surprise of a cell's rows at a moment, by seed and item, in nats per reply.
    pub fn surprise(&self, cell: &str, at: At) -> Sample<&'a str> {
        let mut sample = Sample::new();
        for run in &self.0 {
            for (item, surprise) in run.cells.get(cell).and_then(|moments| at.of(moments)).into_iter().flatten() {
                sample.push(run.seed, item.as_str(), *surprise);
            }
        }
        sample
    }

    /// The runs themselves.
    pub fn iter(&self) -> impl Iterator<Item = &'a Run> {
        self.0.iter().copied()
    }

    /// How many runs there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Probe items at one moment, over all splits and runs.
    pub fn items(&self) -> usize {
        let moments = self.0.iter().flat_map(|run| run.probes.values());
        moments.filter_map(|moments| At::Start.of(moments)).map(Vec::len).sum()
    }

    /// The steps at which a split was measured in any run, ascending.
    pub fn moments(&self, split: &Split) -> Vec<i64> {
        let probes = self.0.iter().filter_map(|run| run.probes.get(split));
        let mut steps: Vec<i64> = probes.flat_map(|moments| moments.keys().copied()).collect();
        steps.sort_unstable();
        steps.dedup();
        steps
    }
}

impl Arm {
    /// The arm's finished runs.
    pub fn finished(&self) -> Runs<'_> {
        Runs(self.runs.iter().collect())
    }
}

impl Data {
    /// Every split that any run measured, in alphabetical order.
    pub fn splits(&self) -> Vec<Split> {
        let mut splits: Vec<Split> = self.runs().flat_map(|run| run.probes.keys().cloned()).collect();
        splits.sort_unstable();
        splits.dedup();
        splits
    }

    /// The measures of levels, the one that says most in front: exact rates, or margins where nearly all of the probability
    /// is on replies of neither side, as it is with long replies, whose exact rates are all next to 0.
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

    /// Every cell that any run measured, in alphabetical order.
    pub fn cells(&self) -> Vec<String> {
        let mut cells: Vec<String> = self.runs().flat_map(|run| run.cells.keys().cloned()).collect();
        cells.sort_unstable();
        cells.dedup();
        cells
    }

    /// The finished runs of all arms.
    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        self.arms.iter().flat_map(|arm| &arm.runs)
    }

    /// One run of each seed: before training all runs of a seed are the same model, so one speaks for it.
    pub fn untrained(&self) -> Runs<'_> {
        let mut one_each: BTreeMap<u64, &Run> = BTreeMap::new();
        for run in self.runs() {
            one_each.entry(run.seed).or_insert(run);
        }
        Runs(one_each.into_values().collect())
    }

    /// What a reader calls an axis: the field without its stage, unless stages share it.
    pub fn axis_label(&self, name: &str) -> String {
        let short = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
        let stage = name.split('.').next().unwrap_or_default();
        let (own, shared) = (short(name), self.axes.iter().filter(|axis| short(&axis.name) == short(name)).count() > 1);
        let own = if own.contains('→') { format!("share of {own}") } else { own };
        if shared && stage != own { format!("{own} in {stage}") } else { own }
    }

    /// The planned runs that are not finished, as arm and seed.
    pub fn missing(&self) -> Vec<(&str, u64)> {
        let unfinished = |arm: &Arm, seed: &u64| arm.runs.iter().all(|run| run.seed != *seed);
        self.arms
            .iter()
            .flat_map(|arm| self.seeds.iter().map(move |seed| (arm, seed)))
            .filter(|(arm, seed)| unfinished(arm, seed))
            .map(|(arm, seed)| (arm.name.as_str(), *seed))
            .collect()
    }

    /// The arm that an arm is compared with.
    pub fn control_of(&self, arm: usize) -> Option<&Arm> {
        self.arms[arm].control.and_then(|control| self.arms.get(control))
    }
}
