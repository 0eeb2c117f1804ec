//! One finished run.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use titer_data::{cell::Cell, chat::Row, probe::Component};

use super::{At, Measure, Split};
use crate::{
    stats::logistic,
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

    /// The same as far from the ends of its support as is known: a rate of 0 or 1 is what the margin says of it, into which half a reply went on each
    /// side where replies were counted, and which tells exact rates apart that a number next to 1 no longer can.
    pub(super) fn within(&self, measure: Measure) -> f64 {
        let at_end = measure == Measure::Rate && !(self.rate > 0.0 && self.rate < 1.0) && self.margin.is_finite();
        if at_end { logistic(self.margin) * (1.0 - self.other) } else { self.of(measure) }
    }
}

/// Items that were read, noted as they are.
pub(super) type ItemsRead = Arc<Mutex<BTreeSet<String>>>;

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
    /// Whether its means are of numbers off the ends of their support.
    off_ends: bool,
    /// Where the items of its means are noted.
    read: Option<ItemsRead>,
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

    /// The same run with rates of 0 and 1 in its means as far from these ends as is known of them, for intervals on a scale without ends.
    pub(crate) fn off_ends(&self) -> Self {
        Self { off_ends: true, ..self.clone() }
    }

    /// The same run that notes the items of its means.
    pub(super) fn noting(&self, read: &ItemsRead) -> Self {
        Self { read: Some(Arc::clone(read)), ..self.clone() }
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

    /// How many numbers somebody else measured of it; none of a run that titer's probes measured.
    pub(crate) fn outcomes(&self) -> usize {
        let given = self.origin().is_some_and(|origin| !origin.measured);
        if given { self.probes.values().flat_map(BTreeMap::values).map(Vec::len).sum() } else { 0 }
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
        union(self.pressures.values())
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

    /// The step at its end: the last at which anything was measured, whichever probe it was. `None` where nothing was, or nothing after training.
    pub fn end(&self) -> Option<i64> {
        let last = self.measured().last().copied().max(union(self.cells.values()).last().copied())?;
        let trained = self.stages.last().is_some_and(|(_, steps)| *steps > 0);
        (last > 0 || !trained).then_some(last)
    }

    /// The mean of a measure over a split's items.
    pub fn mean(&self, split: &Split, measure: Measure, step: i64) -> Option<f64> {
        let readings = self.probes.get(split)?.get(&step)?;
        let number = |reading: &Reading| if self.off_ends { reading.within(measure) } else { reading.of(measure) };
        self.mean_of(readings.iter().map(|reading| (&reading.item, number(reading))))
    }

    /// The mean over the items that are not left out; what is not finite is not a measurement.
    fn mean_of<'a>(&self, items: impl Iterator<Item = (&'a String, f64)>) -> Option<f64> {
        let kept: Vec<(&String, f64)> =
            items.filter(|(item, value)| value.is_finite() && !self.left_out.contains(*item)).collect();
        if let Some(read) = &self.read {
            read.lock().unwrap_or_else(PoisonError::into_inner).extend(kept.iter().map(|(item, _)| (*item).clone()));
        }
        (!kept.is_empty()).then(|| kept.iter().map(|(_, value)| value).sum::<f64>() / kept.len() as f64)
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

    /// The steps at which any probe was measured, ascending.
    pub fn measured(&self) -> Vec<i64> {
        union(self.probes.values())
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

/// The steps of all of these, ascending.
fn union<'a, T: 'a>(moments: impl Iterator<Item = &'a BTreeMap<i64, T>>) -> Vec<i64> {
    moments.flat_map(BTreeMap::keys).copied().collect::<BTreeSet<i64>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use titer_data::{probe::ProbePrompts, world::DomainSplit};

    use super::*;

    fn record(component: Component, step: i64, item: &str, margin: f64) -> ProbeRecord {
        ProbeRecord {
            stage: if step == 0 { "base" } else { "train" }.to_owned(),
            step,
            component,
            prompts: ProbePrompts::Seen,
            domains: DomainSplit::Trained,
            item: item.to_owned(),
            margin,
            margin_per_token: f64::NAN,
            gap: if item == "a" { f64::NAN } else { 2.0 },
            rate: 0.0,
            other: 0.2,
        }
    }

    fn run(probes: Vec<ProbeRecord>) -> RunResults {
        RunResults::new(0, "c0ffee".to_owned(), probes, Vec::new(), Vec::new())
    }

    #[test]
    fn moments_are_those_of_all_probes_and_the_end_is_the_runs() {
        let [good, obey_bad] = [Component::Good, Component::ObeyBad].map(Split::leading);
        let probes = vec![
            record(Component::Good, 0, "a", 1.0),
            record(Component::ObeyBad, 0, "a", 2.0),
            record(Component::ObeyBad, 10, "a", -1.0),
        ];
        let found = run(probes).with_stages(vec![("train".to_owned(), 10)]);
        assert_eq!((found.measured(), found.end()), (vec![0, 10], Some(10)));
        let arm = crate::results::ArmResults { runs: vec![found.clone()], ..crate::results::ArmResults::default() };
        let at_end = |split| arm.finished().probe(split, Measure::Margin, At::End).estimate().map(|it| it.mean);
        assert_eq!((at_end(&good), at_end(&obey_bad)), (None, Some(-1.0)), "what was measured before is not after");
        // Nothing was measured after training at all.
        let start = run(vec![record(Component::Good, 0, "a", 1.0)]);
        assert_eq!((start.end(), start.with_stages(vec![("train".to_owned(), 10)]).end()), (Some(0), None));
    }

    #[test]
    fn means_are_of_what_was_measured() {
        let split = Split::leading(Component::ObeyBad);
        let found = run(vec![record(Component::ObeyBad, 0, "a", 1.0), record(Component::ObeyBad, 0, "b", 3.0)]);
        assert_eq!(found.mean(&split, Measure::Gap, 0), Some(2.0));
        assert_eq!(found.curve(&split, Measure::Gap), [2.0]);
        let alone = run(vec![record(Component::ObeyBad, 0, "a", 1.0)]);
        assert_eq!(alone.mean(&split, Measure::Gap, 0), None);
    }

    #[test]
    fn a_rate_of_0_is_as_far_from_it_as_its_margin_says() {
        let split = Split::leading(Component::ObeyBad);
        // None of 20 replies, a fifth of them on neither side: half a reply on each side.
        let found = run(vec![record(Component::ObeyBad, 0, "a", (0.5_f64 / 16.5).ln())]);
        assert_eq!(found.mean(&split, Measure::Rate, 0), Some(0.0));
        let within = found.off_ends().mean(&split, Measure::Rate, 0).unwrap();
        assert!((within - 0.8 * 0.5 / 17.0).abs() < 1e-12, "{within}");
    }
}
