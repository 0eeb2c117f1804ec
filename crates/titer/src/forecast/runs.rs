//! Forecasts of a sweep: of every run, and of every arm averaged over seeds.

use serde::{Deserialize, Serialize};
use titer_data::{
    probe::{Component, ProbePrompts},
    world::DomainSplit,
};

use super::{
    batches::{ForecastError, Placement},
    calibration::Calibration,
    kernel::Kernel,
    predict::{Forecast, forecast},
    value::ForecastValue,
};
use crate::{
    plan::{RunPlan, SweepPlan},
    results::Split,
};

/// A run and its forecast.
#[derive(Clone, Debug)]
pub struct RunForecast<'a> {
    /// Index of its arm.
    pub arm: usize,
    /// Its plan.
    pub plan: &'a RunPlan,
    /// Its kernel.
    pub kernel: &'a Kernel,
    /// Its forecast.
    pub forecast: Forecast,
}

/// Forecasts every run with the kernel of its seed; `kernels` are in the order of the plan's seeds.
///
/// # Errors
/// Where a kernel lacks what is trained.
pub fn forecast_runs<'a>(
    runs: &'a [(usize, RunPlan)],
    plan: &SweepPlan,
    kernels: &'a [Kernel],
    calibration: &Calibration,
) -> Result<Vec<RunForecast<'a>>, ForecastError> {
    let of_run = |(arm, run): &'a (usize, RunPlan)| {
        let at = plan.seeds.iter().position(|seed| *seed == run.seed).unwrap_or(0);
        let kernel = &kernels[at];
        let probes: Vec<usize> = (0..kernel.probes.len()).collect();
        let placement = Placement::Slots(run.seed);
        let forecast = forecast(kernel, &run.stages, placement, plan.probes.every, &probes, calibration)?;
        Ok(RunForecast { arm: *arm, plan: run, kernel, forecast })
    };
    runs.iter().map(of_run).collect()
}

/// The kernels of these forecasts, each once, in their order: one a seed.
pub fn kernels<'a>(runs: &[RunForecast<'a>]) -> Vec<&'a Kernel> {
    let mut kernels: Vec<&Kernel> = Vec::new();
    for run in runs {
        if kernels.iter().all(|kernel| kernel.about.seed != run.kernel.about.seed) {
            kernels.push(run.kernel);
        }
    }
    kernels
}

/// The forecast of one probe of one arm after training, averaged over seeds: what a report shows beside the measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmForecast {
    /// The arm's name.
    pub arm: String,
    /// The component.
    pub component: Component,
    /// Which prompts.
    pub prompts: ProbePrompts,
    /// Which request domains.
    pub domains: DomainSplit,
    /// The rate, with the 95 % interval of a run.
    pub rate: ForecastValue,
    /// Why the forecast does not know; empty where it does.
    pub beyond: String,
}

impl ArmForecast {
    /// Which probe it is.
    pub fn split(&self) -> Split {
        Split { component: self.component, prompts: self.prompts, domains: self.domains }
    }
}

/// The rates of every arm and probe after training, means over seeds.
pub(crate) fn forecast_arms(plan: &SweepPlan, runs: &[RunForecast<'_>]) -> Vec<ArmForecast> {
    let mut arms = Vec::new();
    for (at, arm) in plan.arms.iter().enumerate() {
        let seeds: Vec<&RunForecast<'_>> = runs.iter().filter(|run| run.arm == at).collect();
        let Some(first) = seeds.first() else { continue };
        for (probe, output) in first.kernel.probes.iter().enumerate() {
            let ends = seeds.iter().filter_map(|run| run.forecast.curves[probe].last());
            let ends: Vec<ForecastValue> = ends.map(|point| point.rate).collect();
            let mean =
                |value: &dyn Fn(&ForecastValue) -> f64| ends.iter().map(value).sum::<f64>() / ends.len().max(1) as f64;
            arms.push(ArmForecast {
                arm: arm.name.clone(),
                component: output.component,
                prompts: output.prompts,
                domains: output.domains,
                rate: ForecastValue {
                    mean: mean(&|rate| rate.mean),
                    low: mean(&|rate| rate.low),
                    high: mean(&|rate| rate.high),
                },
                beyond: first.forecast.does_not_know(probe),
            });
        }
    }
    arms
}
