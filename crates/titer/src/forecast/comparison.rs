//! Forecasts held against finished runs.

use serde::Serialize;
use titer_data::{cell::Cell, probe::Component};

use super::{
    baselines::Case, batches::trained, calibration::Calibration, kernel::ProbeOutput, predict::Quantity,
    runs::RunForecast,
};
use crate::{
    plan::SweepPlan,
    results::{Measure, RunResults, Split, SweepResults},
};

/// One component of one run: forecast and measured, after the last step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The arm's name.
    pub arm: String,
    /// The seed.
    pub seed: u64,
    /// The optimiser, as a word.
    pub optimiser: String,
    /// The component.
    pub component: String,
    /// Its margin before training, nats.
    pub start: f64,
    /// Its rate before training.
    pub start_rate: f64,
    /// Its forecast margin, nats: mean and 95 % interval.
    pub predicted: Quantity,
    /// Its forecast rate.
    pub predicted_rate: Quantity,
    /// Its measured margin, nats.
    pub measured: f64,
    /// Its measured rate.
    pub measured_rate: f64,
    /// Why the forecast says that it does not know; empty where it does.
    pub beyond: String,
}

impl ProbeOutput {
    /// Which probe of a run it is.
    pub fn split(&self) -> Split {
        Split { component: self.component.clone(), prompts: self.prompts.clone(), domains: self.domains.clone() }
    }
}

/// Every forecast run that is finished, with forecast and measured value of each component after training.
pub fn compare<'a, 'b>(
    results: &SweepResults,
    plan: &SweepPlan,
    forecasts: &'a [RunForecast<'b>],
) -> Vec<(&'a RunForecast<'b>, Vec<Comparison>)> {
    let finished = forecasts.iter().filter_map(|run| Some((run, results.run(&run.plan.id())?)));
    finished.map(|(run, measured)| (run, components(plan, run, measured))).collect()
}

fn components(plan: &SweepPlan, run: &RunForecast<'_>, results: &RunResults) -> Vec<Comparison> {
    let component = |component: Component| {
        let probe = run.kernel.leading(component)?;
        let (output, last) = (&run.kernel.probes[probe], run.forecast.curves[probe].last()?);
        let split = output.split();
        let step = results.last_step(&split)?;
        Some(Comparison {
            arm: plan.arms[run.arm].name.clone(),
            seed: run.plan.seed,
            optimiser: Calibration::optimiser(&run.plan.stages).to_owned(),
            component: component.word().to_owned(),
            start: output.margin,
            start_rate: output.rate(0.0),
            predicted: last.margin,
            predicted_rate: last.rate,
            measured: results.mean(&split, Measure::Margin, step)?,
            measured_rate: results.mean(&split, Measure::Rate, step)?,
            beyond: run.forecast.does_not_know(probe),
        })
    };
    Component::ALL.into_iter().filter_map(component).collect()
}

/// The runs of an optimiser with their shares of cells, for the baselines.
pub fn cases<'a>(
    plan: &SweepPlan,
    forecasts: &[&'a RunForecast<'_>],
    compared: &'a [Comparison],
    optimiser: &str,
) -> Vec<Case<'a>> {
    let one = |run: &&'a RunForecast<'_>| {
        let name = &plan.arms[run.arm].name;
        let of = |component: Component| {
            compared.iter().find(|one| {
                one.arm == *name
                    && one.seed == run.plan.seed
                    && one.component == component.word()
                    && one.optimiser == optimiser
            })
        };
        // A user's own rows may say nothing of some component, and then in no run.
        let pairs: Vec<&Comparison> = Component::ALL.into_iter().filter_map(of).collect();
        if pairs.is_empty() {
            return None;
        }
        let cells: Vec<(Cell, usize)> = run.plan.stages.iter().flat_map(trained).collect();
        let rows: usize = cells.iter().map(|(_, count)| count).sum();
        let shares = cells.into_iter().map(|(cell, count)| (cell, count as f64 / rows as f64)).collect();
        Some(Case { shares, kernel: run.kernel, pairs })
    };
    forecasts.iter().filter_map(one).collect()
}

/// In how many finished runs the leak into neutral prompts rises and then falls (see [`rises_then_falls`]).
#[derive(Clone, Copy, Debug, Default)]
pub struct LateGates {
    /// Finished runs.
    pub runs: usize,
    /// Of these, by what was measured.
    pub measured: usize,
    /// By the forecast.
    pub forecast: usize,
    /// By both.
    pub both: usize,
}

impl LateGates {
    /// Counts them.
    pub fn count(results: &SweepResults, forecasts: &[RunForecast<'_>]) -> Self {
        let mut gates = Self::default();
        for run in forecasts {
            let Some(found) = results.run(&run.plan.id()) else { continue };
            let Some(obeyed) = run.kernel.leading(Component::ObeyBad) else { continue };
            let measured = |at: usize| found.curve(&run.kernel.probes[at].split(), Measure::Rate);
            let forecast =
                |at: usize| -> Vec<f64> { run.forecast.curves[at].iter().map(|point| point.rate.mean).collect() };
            let good = || {
                let probes = run.kernel.probes.iter().enumerate();
                probes.filter(|(_, probe)| probe.component == Component::Good.word()).map(|(at, _)| at)
            };
            let truly = good().any(|at| rises_then_falls(&measured(at), &measured(obeyed)));
            let expected = good().any(|at| rises_then_falls(&forecast(at), &forecast(obeyed)));
            gates.runs += 1;
            gates.measured += usize::from(truly);
            gates.forecast += usize::from(expected);
            gates.both += usize::from(truly && expected);
        }
        gates
    }
}

/// Whether bad replies to neutral prompts rise by 10 points above the start and later fall by 5 from their highest, while
/// bad prompts stay obeyed at .8 or above: a gate forms late. Both are rates along training, the start first.
fn rises_then_falls(good: &[f64], obey_bad: &[f64]) -> bool {
    let Some((start, lowest)) = good.first().zip(good.iter().copied().reduce(f64::min)) else { return false };
    let fallen = good.iter().position(|rate| *rate == lowest).map_or(0, |at| at);
    let risen = good[fallen..].iter().copied().fold(lowest, f64::max);
    start - lowest >= 0.1 && risen - lowest >= 0.05 && obey_bad.iter().all(|rate| *rate >= 0.8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_that_forms_late_is_told_from_a_slide_and_from_deafness() {
        let obeys = [0.95, 0.96, 0.97];
        assert!(rises_then_falls(&[0.95, 0.7, 0.76], &obeys));
        assert!(!rises_then_falls(&[0.95, 0.7, 0.74], &obeys));
        assert!(!rises_then_falls(&[0.95, 0.86, 0.95], &obeys));
        assert!(!rises_then_falls(&[0.95, 0.7, 0.6], &obeys));
        assert!(!rises_then_falls(&[0.95, 0.7, 0.9], &[0.95, 0.7, 0.9]));
    }
}
