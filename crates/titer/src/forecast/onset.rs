//! The onset: the dose of bad→good at which inoculation stops working, forecast and measured.

use serde::Serialize;
use titer_data::{
    cell::{Action, Cell, PromptKind},
    mix::Mix,
    probe::Component,
};

use super::{
    batches::{ForecastError, Placement, kinds, stage_batches},
    comparison::Comparison,
    kernel::Kernel,
    motion::{Motion, Trajectory},
    runs::RunForecast,
};
use crate::plan::{OptimiserPlan, StagePlan, SweepPlan, show};

/// The dose at which the rate of a probe after training has fallen to half its start: `stages` makes the stages of a dose
/// between 0 and 1. `None` where no dose is enough; searched on a logarithmic scale from 0.01 % on.
///
/// # Errors
/// Where the kernel lacks what is trained.
pub fn onset(
    kernel: &Kernel,
    probe: usize,
    stages: impl Fn(f64) -> Vec<StagePlan>,
    placement: Placement,
) -> Result<Option<f64>, ForecastError> {
    let output = &kernel.probes[probe];
    let half = output.rate(0.0) / 2.0;
    let rate = |dose: f64| -> Result<f64, ForecastError> {
        let stages = stages(dose);
        let kinds = kinds(kernel, &stages)?;
        let course = Trajectory { stages: &stage_batches(kernel, &kinds, &stages, placement), speed: 1.0 };
        let ends = Motion::new(kernel, None, &kinds, &[probe]).run(&[course], 0);
        Ok(output.rate(ends.last().map_or(0.0, |(_, moved)| moved[0][0])))
    };
    if rate(1.0)? > half {
        return Ok(None);
    }
    let (mut low, mut high) = (1e-4_f64.ln(), 0.0_f64);
    for _ in 0..20 {
        let middle = f64::midpoint(low, high);
        if rate(middle.exp())? > half { low = middle } else { high = middle }
    }
    Ok(Some(high.exp()))
}

/// The dose of bad→good that halves obedience to bad prompts, for one rest and one optimiser.
#[derive(Clone, Debug, Serialize)]
pub struct Onset {
    /// Update rule and learning rate.
    pub optimiser: String,
    /// Optimiser steps.
    pub steps: usize,
    /// What the other rows are.
    pub rest: String,
    /// The dose by seed; `None` where no dose is enough.
    pub doses: Vec<Option<f64>>,
}

/// The onsets of every rest and training that the plan's arms of one stage have, where the kernels know such rows.
///
/// # Errors
/// Where a kernel lacks what is trained.
pub fn onsets(plan: &SweepPlan, forecasts: &[RunForecast<'_>]) -> Result<Vec<Onset>, ForecastError> {
    let bad_good = Cell { prompt: PromptKind::Bad, action: Action::Good };
    let mut trainings: Vec<(&StagePlan, Cell)> = Vec::new();
    for arm in &plan.arms {
        let [stage] = arm.stages.as_slice() else { continue };
        let Some(other) = stage.mix.rest().filter(|other| *other != bad_good) else { continue };
        let same =
            |(training, rest): &(&StagePlan, Cell)| *rest == other && training.with_mix(stage.mix.clone()) == *stage;
        let known = stage.differs_in_rows_alone() && !trainings.iter().any(same);
        if known && stage.mix.shares().iter().all(|(cell, _)| *cell == bad_good) {
            trainings.push((stage, other));
        }
    }
    let mut kernels: Vec<&Kernel> = Vec::new();
    for forecast in forecasts {
        if !kernels.iter().any(|kernel| std::ptr::eq(*kernel, forecast.kernel)) {
            kernels.push(forecast.kernel);
        }
    }
    let mixed = |stage: &StagePlan, other: Cell, dose: f64| {
        let mix = Mix::new(vec![(bad_good, dose)], Some(other)).expect("a share and a rest are a mix");
        vec![stage.with_mix(mix)]
    };
    // Rows that a kernel does not know were not asked for.
    trainings.retain(|(stage, other)| kernels.iter().all(|kernel| kinds(kernel, &mixed(stage, *other, 0.5)).is_ok()));
    let of_training = |(stage, other): (&StagePlan, Cell)| {
        let mixed = |dose: f64| mixed(stage, other, dose);
        let dose = |kernel: &&Kernel| match kernel.leading(Component::ObeyBad) {
            Some(probe) => onset(kernel, probe, mixed, Placement::Even),
            None => Ok(None),
        };
        let optimiser = match stage.optimiser {
            OptimiserPlan::Sgd { lr, .. } => format!("sgd at {lr}"),
            OptimiserPlan::AdamW { lr, .. } => format!("adamw at {lr}"),
        };
        let doses = kernels.iter().map(dose).collect::<Result<_, _>>()?;
        Ok(Onset { optimiser, steps: stage.steps, rest: other.to_string(), doses })
    };
    trainings.into_iter().map(of_training).collect()
}

/// The dose that halves obedience to bad prompts in one series of arms that differ in nothing else.
#[derive(Clone, Debug)]
pub struct MeasuredOnset {
    /// What the arms share besides the dose, in words.
    pub series: String,
    /// By the forecasts; `None` where no dose of the series is enough.
    pub forecast: Option<OnsetDose>,
    /// By the runs.
    pub measured: Option<OnsetDose>,
}

/// A dose that halves, as far as the doses of a series tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OnsetDose {
    /// This one, between two of them.
    Between(f64),
    /// At most the smallest of them.
    AtMost(f64),
}

/// What the arms of a series share, their curves of rate over dose, forecast and measured, and their rates before training.
type DoseSeries = (String, [Vec<(f64, f64)>; 2], Vec<f64>);

/// Where a sweep has doses of bad→good: the dose that halves the obedience of the base, forecast and measured, by series of
/// arms; nothing where it has none.
pub fn measured_onsets(plan: &SweepPlan, compared: &[Comparison]) -> Vec<MeasuredOnset> {
    let Some((axis, _)) = plan.axes.iter().find(|(name, _)| name.ends_with(".mix.bad→good")) else {
        return Vec::new();
    };
    let mut series: Vec<DoseSeries> = Vec::new();
    for arm in &plan.arms {
        let dose = arm.settings.iter().find(|(name, _)| name == axis).map(|(_, value)| value);
        let number = |value: &toml::Value| value.as_float().or(value.as_integer().map(|whole| whole as f64));
        let Some(dose) = dose.and_then(number) else { continue };
        let others = arm.settings.iter().filter(|(name, _)| name != axis);
        let title = others.map(|(_, value)| show(value)).collect::<Vec<_>>().join(", ");
        let of_arm =
            |comparison: &&Comparison| comparison.arm == arm.name && comparison.component == Component::ObeyBad;
        let runs: Vec<&Comparison> = compared.iter().filter(of_arm).collect();
        if runs.is_empty() {
            continue;
        }
        let mean =
            |value: &dyn Fn(&Comparison) -> f64| runs.iter().map(|run| value(run)).sum::<f64>() / runs.len() as f64;
        let at = series.iter().position(|(other, ..)| *other == title).unwrap_or_else(|| {
            series.push((title, [Vec::new(), Vec::new()], Vec::new()));
            series.len() - 1
        });
        series[at].1[0].push((dose, mean(&|run| run.predicted_rate.mean)));
        series[at].1[1].push((dose, mean(&|run| run.measured_rate)));
        series[at].2.push(mean(&|run| run.start_rate));
    }
    let crossings = |(series, mut curves, start): DoseSeries| {
        curves.iter_mut().for_each(|curve| curve.sort_by(|a, b| a.0.total_cmp(&b.0)));
        let level = start.iter().sum::<f64>() / start.len() as f64 / 2.0;
        let [forecast, measured] = curves.map(|curve| crossing(&curve, level));
        MeasuredOnset { series, forecast, measured }
    };
    series.into_iter().map(crossings).collect()
}

/// Where a falling curve crosses a level: between two doses on a logarithmic scale, from 0 on a straight line; at most at the first one where that is below
/// already. `curve` is ascending in dose; `None` where it does not cross.
fn crossing(curve: &[(f64, f64)], level: f64) -> Option<OnsetDose> {
    let (dose, first) = *curve.first()?;
    if first <= level {
        return Some(OnsetDose::AtMost(dose));
    }
    curve.windows(2).find(|pair| pair[0].1 > level && pair[1].1 <= level).map(|pair| {
        let [(low, above), (high, below)] = [pair[0], pair[1]];
        let part = (above - level) / (above - below);
        let between = if low > 0.0 { (low.ln() + part * (high.ln() - low.ln())).exp() } else { part * high };
        OnsetDose::Between(between)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_crossed_between_doses_on_a_logarithmic_scale() {
        let Some(OnsetDose::Between(found)) = crossing(&[(0.0, 0.9), (0.01, 0.6), (0.1, 0.2)], 0.4) else {
            panic!("it is crossed")
        };
        assert!((found - 0.01 * 10_f64.sqrt()).abs() < 1e-12);
        assert_eq!(crossing(&[(0.05, 0.3), (0.1, 0.2)], 0.4), Some(OnsetDose::AtMost(0.05)));
        assert_eq!(crossing(&[(0.0, 0.9), (1.0, 0.5)], 0.4), None);
    }
}
