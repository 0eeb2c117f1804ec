//! One finished run.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use titer_data::{cell::Cell, chat::Row, probe::Component};

use super::{At, Measure, Split};
use crate::{
    store::Origin,
    table::{
        CellRecord, GuardRecord, LeakRecord, LedgerRecord, PressureRecord, ProbeRecord, ScreenRecord, StepRecord,
        WarningRecord,
    },
};

/// What a probe says about one item at one moment.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) item: String,
    margin: f64,
    pub(super) margin_per_token: f64,
    gap: f64,
    rate: f64,
    other: f64,
}

impl Reading {
    /// This number of it.
    pub(super) fn of(&self, measure: Measure) -> f64 {
        match measure {
            Measure::Rate => self.rate,
            Measure::Margin => self.margin,
            Measure::Gap => self.gap,
            Measure::Other => self.other,
        }
    }
}

/// Surprises of a cell's rows, by item.
type Surprises = Vec<(String, f64)>;

/// One finished run: the contents of its tables, grouped by what they measure. A copy shares them.
#[derive(Clone, Debug, Default)]
pub struct RunResults {
    /// Its seed.
    pub seed: u64,
    /// The hash of its plan.
    pub plan_hash: String,
    stages: Arc<[(String, i64)]>,
    /// The stage that had run last, or ran, when probes were measured, by step.
    moments: Arc<BTreeMap<i64, String>>,
    pub(super) probes: Arc<BTreeMap<Split, BTreeMap<i64, Vec<Reading>>>>,
    pub(super) cells: Arc<BTreeMap<Cell, BTreeMap<i64, Surprises>>>,
    steps: Arc<[StepRecord]>,
    /// Mean pressures of a cell's rows, by cell and step.
    pressures: Arc<BTreeMap<Cell, BTreeMap<i64, [f64; 3]>>>,
    ledger: Arc<[LedgerRecord]>,
    leaks: Arc<[LeakRecord]>,
    screened: Arc<[ScreenRecord]>,
    guards: Arc<[GuardRecord]>,
    warnings: Arc<[WarningRecord]>,
    drawn: Arc<[Row]>,
    instruction_set: Option<String>,
    device: Option<String>,
    claims: Option<Vec<String>>,
    shared_items: bool,
    /// Where it comes from; `None` where titer trained it.
    origin: Option<Arc<Origin>>,
    /// Items that its means leave out.
    left_out: Arc<BTreeSet<String>>,
}

impl RunResults {
    /// A run from its tables. Where two stages measured at the same step, all readings of an item count as one, the
    /// later.
    pub fn new(
        seed: u64,
        plan_hash: String,
        probes: Vec<ProbeRecord>,
        cells: Vec<CellRecord>,
        steps: Vec<StepRecord>,
    ) -> Self {
        let mut moments: BTreeMap<i64, String> = BTreeMap::new();
        let mut by_split: BTreeMap<Split, BTreeMap<i64, Vec<Reading>>> = BTreeMap::new();
        let mut by_cell: BTreeMap<Cell, BTreeMap<i64, Surprises>> = BTreeMap::new();
        for record in probes {
            let ProbeRecord { stage, step, component, prompts, domains, item, .. } = record;
            let ProbeRecord { margin, margin_per_token, gap, rate, other, .. } = record;
            moments.insert(step, stage);
            let measured = by_split.entry(Split { component, prompts, domains }).or_default();
            measured.entry(step).or_default().push(Reading { item, margin, margin_per_token, gap, rate, other });
        }
        for CellRecord { step, cell, item, surprise, .. } in cells {
            by_cell.entry(cell).or_default().entry(step).or_default().push((item, surprise));
        }
        let (moments, probes, cells) = (Arc::new(moments), Arc::new(by_split), Arc::new(by_cell));
        Self { seed, plan_hash, moments, probes, cells, steps: steps.into(), ..Self::default() }
    }

    /// The same, with items of one name being one item in all seeds, or not.
    pub fn with_shared_items(self, shared_items: bool) -> Self {
        Self { shared_items, ..self }
    }

    /// Whether items of one name are one item in all seeds, as on a user's own data; an organism draws them anew for each.
    pub(crate) fn shares_items(&self) -> bool {
        self.shared_items
    }

    /// The same run with these items left out of its means.
    pub(crate) fn without(&self, items: &Arc<BTreeSet<String>>) -> Self {
        Self { left_out: Arc::clone(items), ..self.clone() }
    }

    /// The names of everything that means are taken over.
    pub(super) fn item_names(&self) -> impl Iterator<Item = &str> {
        let of_probes = self.probes.values().flat_map(BTreeMap::values).flatten().map(|reading| reading.item.as_str());
        of_probes.chain(self.cells.values().flat_map(BTreeMap::values).flatten().map(|(item, _)| item.as_str()))
    }

    /// The same with its stages in order, each with the run's steps at its end.
    pub(crate) fn with_stages(self, stages: Vec<(String, i64)>) -> Self {
        Self { stages: stages.into(), ..self }
    }

    /// Its stages in order, each with the run's steps at its end.
    pub fn stages(&self) -> &[(String, i64)] {
        &self.stages
    }

    /// The same with the instruction set that computed it, where that is known.
    pub(crate) fn with_instruction_set(self, instruction_set: Option<String>) -> Self {
        Self { instruction_set, ..self }
    }

    /// The same with the device of PyTorch's that computed it.
    pub(crate) fn with_device(self, device: Option<String>) -> Self {
        Self { device, ..self }
    }

    /// The device of PyTorch's that computed it; `None` for the processor by itself.
    pub fn device(&self) -> Option<&str> {
        self.device.as_deref()
    }

    /// The instruction set that computed it, where that is known.
    pub fn instruction_set(&self) -> Option<&str> {
        self.instruction_set.as_deref()
    }

    /// The same with the rows whose replies its model wrote.
    pub(crate) fn with_drawn(self, drawn: Vec<Row>) -> Self {
        Self { drawn: drawn.into(), ..self }
    }

    /// The rows whose replies its model wrote, in the order in which they were trained; `stage` and `drawn_under` are in their metadata.
    pub fn drawn(&self) -> &[Row] {
        &self.drawn
    }

    /// The same with where it comes from, where titer did not train it.
    pub(crate) fn with_origin(self, origin: Option<Origin>) -> Self {
        Self { origin: origin.map(Arc::new), ..self }
    }

    /// Where it comes from; `None` where titer trained it.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_deref()
    }

    /// Who trained it.
    pub fn trained_by(&self) -> &str {
        self.origin().map_or("titer", |origin| origin.trainer.as_str())
    }

    /// The same with its pressures and its ledger.
    pub fn with_pressure(self, pressures: Vec<PressureRecord>, ledger: Vec<LedgerRecord>) -> Self {
        let mut sums: BTreeMap<Cell, BTreeMap<i64, ([f64; 3], f64)>> = BTreeMap::new();
        for record in pressures {
            let pressed = record.pressures();
            let Some(cell) = record.cell else { continue };
            let (sum, count) = sums.entry(cell).or_default().entry(record.step).or_default();
            sum.iter_mut().zip(pressed).for_each(|(sum, pressure)| *sum += pressure);
            *count += 1.0;
        }
        let mean = |(step, (sum, count)): (i64, ([f64; 3], f64))| (step, sum.map(|sum| sum / count));
        let pressures = sums.into_iter().map(|(cell, steps)| (cell, steps.into_iter().map(mean).collect())).collect();
        Self { pressures: Arc::new(pressures), ledger: ledger.into(), ..self }
    }

    /// The same with what was measured on a leak grid, and what its prompt did before training.
    pub fn with_prompts(self, leaks: Vec<LeakRecord>, screened: Vec<ScreenRecord>) -> Self {
        Self { leaks: leaks.into(), screened: screened.into(), ..self }
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

    /// The same with what its guards did.
    pub(crate) fn with_guards(self, guards: Vec<GuardRecord>) -> Self {
        Self { guards: guards.into(), ..self }
    }

    /// What its guards did, look by look.
    pub fn guards(&self) -> &[GuardRecord] {
        &self.guards
    }

    /// The same with the hashes of the claims that its spec made when it started, where that was written down.
    pub(crate) fn with_claims(self, claims: Option<Vec<String>>) -> Self {
        Self { claims, ..self }
    }

    /// The hashes of the claims that its spec made when it started; `None` where that was not written down.
    pub fn claims(&self) -> Option<&[String]> {
        self.claims.as_deref()
    }

    /// The same with what was said about its stages before they trained.
    pub(crate) fn with_warnings(self, warnings: Vec<WarningRecord>) -> Self {
        Self { warnings: warnings.into(), ..self }
    }

    /// What was said about its stages before they trained.
    pub fn warnings(&self) -> &[WarningRecord] {
        &self.warnings
    }

    /// The steps at which pressures were taken, ascending.
    pub fn pressed(&self) -> Vec<i64> {
        self.pressures.values().next().map(|steps| steps.keys().copied().collect()).unwrap_or_default()
    }

    /// The mean pressure of a cell's rows on a component.
    pub(crate) fn mean_pressure(&self, cell: Cell, component: Component, step: i64) -> Option<f64> {
        Some(self.pressures.get(&cell)?.get(&step)?[component.index()])
    }

    /// The mean surprise of a cell's rows, nats.
    pub(crate) fn mean_surprise(&self, cell: Cell, step: i64) -> Option<f64> {
        let items = self.cells.get(&cell)?.get(&step)?;
        self.mean_of(items.iter().map(|(item, surprise)| (item, *surprise)))
    }

    /// The stage that had run last, or ran, when probes were measured at this step; `base` before training.
    pub(crate) fn stage_at(&self, step: i64) -> Option<&str> {
        self.moments.get(&step).map(String::as_str)
    }

    /// The last step at which a split was measured.
    pub fn last_step(&self, split: &Split) -> Option<i64> {
        self.probes.get(split)?.last_key_value().map(|(step, _)| *step)
    }

    /// The mean of a measure over a split's items.
    pub fn mean(&self, split: &Split, measure: Measure, step: i64) -> Option<f64> {
        let readings = self.probes.get(split)?.get(&step)?;
        self.mean_of(readings.iter().map(|reading| (&reading.item, reading.of(measure))))
    }

    /// The mean over the items that are not left out.
    fn mean_of<'a>(&self, items: impl Iterator<Item = (&'a String, f64)>) -> Option<f64> {
        let kept = items.filter(|(item, _)| !self.left_out.contains(*item));
        let (sum, count) = kept.fold((0.0, 0), |(sum, count), (_, value)| (sum + value, count + 1));
        (count > 0).then(|| sum / f64::from(count))
    }

    /// The means of a measure over a split's items at every moment, the start first.
    pub fn curve(&self, split: &Split, measure: Measure) -> Vec<f64> {
        let steps = self.probes.get(split).into_iter().flat_map(|moments| moments.keys());
        steps.filter_map(|step| self.mean(split, measure, *step)).collect()
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
