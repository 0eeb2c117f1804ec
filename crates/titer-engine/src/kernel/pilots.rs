//! Pilots: short trainings along which a kernel is measured again.

use std::{collections::BTreeSet, num::NonZero, path::Path};

use titer::{
    exec::{SweepProgress, execute},
    forecast::{About, Calibration, Forecast, ForecastError, Kernel, Placement, forecast},
    plan::{RunId, RunPlan, StagePlan, SweepPlan},
    results::{Measure, RunResults},
    spec::When,
    stats::median,
    store::Sweep,
};
use titer_data::{probe::Component, source::Source};

use super::{
    KernelRequest, domains, kernels,
    sweep::{KernelProgress, KernelsError, measure_state},
};
use crate::{model::Model, train::EngineRunner};

/// What is told of pilots: of kernels that are measured, and of trainings.
pub trait PilotProgress: KernelProgress {
    /// Progress of the training of a pilot of so many steps.
    fn training(&self, arm: usize, steps: usize) -> Box<dyn SweepProgress + '_>;
}

/// How many pilots are trained, and with what.
#[derive(Clone, Copy, Debug)]
pub struct Pilots<'a> {
    /// Arms of every seed that are trained half-way.
    pub count: usize,
    /// A folder for what they leave, which the caller takes away.
    pub folder: &'a Path,
    /// Threads that they are trained on.
    pub threads: NonZero<usize>,
}

/// Trains some arms of every seed half-way, those whose forecasts are widest, and goes from the base model's kernel
/// to theirs on the way; returns which runs were. What each bought is told: how far the forecast of the pilot's own end was
/// off before and after. The base is measured once more, because it and its pilots share their buckets.
///
/// # Errors
/// Where a pilot cannot be trained or measured.
pub fn refresh(
    seed_kernels: &mut [Kernel],
    request: &KernelRequest<'_>,
    plan: &SweepPlan,
    runs: &[(usize, RunPlan)],
    calibration: &Calibration,
    pilots: Pilots<'_>,
    progress: &dyn PilotProgress,
) -> Result<Vec<RunId>, KernelsError> {
    let refresh = Refresh { request, plan, runs, calibration, pilots, progress };
    let mut piloted = Vec::new();
    plan.seeds.iter().zip(seed_kernels).try_for_each(|(&seed, kernel)| refresh.seed(seed, kernel, &mut piloted))?;
    Ok(piloted)
}

struct Refresh<'a> {
    request: &'a KernelRequest<'a>,
    plan: &'a SweepPlan,
    runs: &'a [(usize, RunPlan)],
    calibration: &'a Calibration,
    pilots: Pilots<'a>,
    progress: &'a dyn PilotProgress,
}

impl Refresh<'_> {
    fn seed(&self, seed: u64, kernel: &mut Kernel, piloted: &mut Vec<RunId>) -> Result<(), KernelsError> {
        let (about, effort) = (kernel.about.clone(), self.request.effort(self.plan, kernel.about.adam));
        let state = |model: &Model, source: &Source, step: usize| {
            let about = About { step, ..about.clone() };
            measure_state(model, source, about, &domains(self.plan), effort, self.progress)
        };
        let mut states = Vec::new();
        for (arm, run) in self.widest(seed, kernel)?.into_iter().take(self.pilots.count) {
            if states.is_empty() {
                let (_, model, source) = self.request.inputs.prepare(run)?;
                states.push(state(&model, &source, 0)?);
            }
            let (pilot, results) = self.train(*arm, run)?;
            let checkpoint = self.pilots.folder.join(&pilot.id().0).join(format!("checkpoint-{}", pilot.steps()));
            let (model, source) = self.request.inputs.at_checkpoint(&pilot, &checkpoint)?;
            states.push(state(&model, &source, pilot.steps())?);
            let before = self.error(kernel, &pilot, &results)?;
            piloted.push(run.id());
            let all = kernels(&states, effort.buckets);
            *kernel = all[0].gated(&all[1..]);
            let after = self.error(kernel, &pilot, &results)?;
            self.progress.say(&format!(
                "seed {seed}, pilot {} ({} steps): forecasts of its probes off by {before:.2} nats before, {after:.2} after (median)",
                self.plan.arms[*arm].name,
                pilot.steps()
            ));
        }
        Ok(())
    }

    /// The runs of a seed that a forecast can speak of, those with the widest interval of a leading rate first.
    fn widest(&self, seed: u64, kernel: &Kernel) -> Result<Vec<&(usize, RunPlan)>, ForecastError> {
        // Two arms can be one run.
        let mut seen = BTreeSet::new();
        let runs =
            self.runs.iter().filter(|(_, run)| run.seed == seed && can_be_forecast(run) && seen.insert(run.id()));
        let width = |run: &RunPlan| {
            let forecast = self.forecast(kernel, run)?;
            let leading = Component::ALL.into_iter().filter_map(|component| kernel.leading(component));
            let ends = leading.filter_map(|probe| forecast.curves[probe].last());
            Ok::<_, ForecastError>(ends.map(|point| point.rate.high - point.rate.low).fold(0.0, f64::max))
        };
        let mut widths: Vec<(f64, &(usize, RunPlan))> =
            runs.map(|run| Ok((width(&run.1)?, run))).collect::<Result<_, ForecastError>>()?;
        widths.sort_by(|a, b| b.0.total_cmp(&a.0));
        Ok(widths.into_iter().map(|(_, run)| run).collect())
    }

    /// Trains the first half of the first stage that a run trains.
    fn train(&self, arm: usize, run: &RunPlan) -> Result<(RunPlan, RunResults), KernelsError> {
        let pilot = RunPlan {
            checkpoints: When::AtTheEnd,
            stages: run.stages.iter().filter(|stage| stage.steps > 0).take(1).map(StagePlan::first_half).collect(),
            pressure: When::Never,
            leak: None,
            screen: false,
            own_prompt: None,
            ..run.clone()
        };
        let only = [(arm, pilot)];
        let sweep = Sweep::create(self.pilots.folder, self.plan, &only)?;
        execute(
            &sweep,
            &only,
            &EngineRunner::new(self.request.inputs),
            self.pilots.threads,
            &*self.progress.training(arm, only[0].1.steps()),
        )?;
        let [(_, pilot)] = only;
        let finished = sweep.finished(&pilot).expect("the pilot has been trained");
        let results = RunResults::read(&finished, pilot.seed, pilot.id())?;
        Ok((pilot, results))
    }

    fn forecast(&self, kernel: &Kernel, run: &RunPlan) -> Result<Forecast, ForecastError> {
        let probes: Vec<usize> = (0..kernel.probes.len()).collect();
        forecast(kernel, &run.stages, Placement::Slots(run.seed), 0, &probes, self.calibration)
    }

    /// Median error of the probes' margins at a run's end, nats.
    fn error(&self, kernel: &Kernel, run: &RunPlan, results: &RunResults) -> Result<f64, ForecastError> {
        let forecast = self.forecast(kernel, run)?;
        let error = |(probe, output): (usize, &titer::forecast::ProbeOutput)| {
            let measured = results.mean(&output.split(), Measure::Margin, results.end()?)?;
            Some((forecast.curves[probe].last()?.margin.mean - measured).abs())
        };
        Ok(median(&kernel.probes.iter().enumerate().filter_map(error).collect::<Vec<_>>()))
    }
}

/// Whether a run trains what a forecast can speak of.
fn can_be_forecast(run: &RunPlan) -> bool {
    run.steps() > 0 && run.stages.iter().all(StagePlan::differs_in_rows_alone)
}
