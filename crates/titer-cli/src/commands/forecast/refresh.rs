//! Pilots: short trainings along which a kernel is measured again.

use std::{
    collections::BTreeSet,
    num::NonZero,
    path::{Path, PathBuf},
};

use titer::{
    exec::execute,
    forecast::{About, Calibration, Forecast, Kernel, Placement, against::measured},
    inputs::{at_checkpoint, prepare},
    model::Model,
    plan::{RunId, RunPlan, StagePlan, SweepPlan},
    spec::When,
    stats::median,
    store::Sweep,
    train::EngineRunner,
};
use titer_data::{probe::Component, source::Source};

use super::kernels::{self, Wanted};
use crate::{
    printer::{Failure, talk},
    progress::SweepBar,
    version::COMMIT,
};

/// Trains `pilots` arms of every seed half-way, those whose forecasts are widest, and goes from the base model's kernel
/// to theirs on the way. What each bought is told: how far the forecast of the pilot's own end was off before and after. The base is
/// measured once more, because it and its pilots share their buckets.
pub fn refresh(
    kernels: &mut [Kernel],
    wanted: &Wanted<'_>,
    plan: &SweepPlan,
    runs: &[(usize, RunPlan)],
    calibration: &Calibration,
    pilots: usize,
) -> Result<Vec<RunId>, Failure> {
    let dir = std::env::temp_dir().join(format!("titer-pilots-{}", std::process::id()));
    let mut piloted = Vec::new();
    let done = plan.seeds.iter().zip(kernels.iter_mut()).try_for_each(|(&seed, kernel)| {
        let mut own: Vec<&(usize, RunPlan)> = runs.iter().filter(|(_, run)| run.seed == seed && can_be(run)).collect();
        // Two arms can be one run.
        let mut seen = BTreeSet::new();
        own.retain(|(_, run)| seen.insert(run.id()));
        let mut arms: Vec<(f64, &(usize, RunPlan))> =
            own.into_iter().map(|run| Ok((width(kernel, run, calibration)?, run))).collect::<Result<_, Failure>>()?;
        arms.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (about, effort) = (kernel.about.clone(), wanted.effort(plan, kernel.about.adam));
        let state = |model: &Model, source: &Source, step: usize| {
            kernels::measured(model, source, About { step, ..about.clone() }, &kernels::domains(plan), effort)
        };
        let mut states = Vec::new();
        for (_, (arm, run)) in arms.into_iter().take(pilots) {
            if states.is_empty() {
                let (_, model, source) = prepare(run).map_err(Failure::input)?;
                states.push(state(&model, &source, 0)?);
            }
            let (pilot, folder) = train(&dir, plan, *arm, run)?;
            let checkpoint = folder.join(format!("checkpoint-{}", pilot.steps()));
            let (model, source) = at_checkpoint(&pilot, &checkpoint).map_err(Failure::work)?;
            states.push(state(&model, &source, pilot.steps())?);
            let truth = measured(&folder).map_err(Failure::work)?;
            let before = error(kernel, &pilot, &truth, calibration)?;
            piloted.push(run.id());
            let all = titer::forecast::kernels(&states, effort.buckets);
            *kernel = all[0].gated(&all[1..]);
            let after = error(kernel, &pilot, &truth, calibration)?;
            talk(&format!(
                "seed {seed}, pilot {} ({} steps): forecasts of its probes off by {before:.2} nats before, {after:.2} after (median)",
                plan.arms[*arm].name,
                pilot.steps()
            ));
        }
        Ok(())
    });
    let _ = fs_err::remove_dir_all(&dir);
    done.map(|()| piloted)
}

/// Whether a run trains what a forecast foresees.
fn can_be(run: &RunPlan) -> bool {
    run.steps() > 0 && run.stages.iter().all(StagePlan::differs_in_rows_alone)
}

/// The first half of the first stage that a run trains, and its folder.
fn train(dir: &Path, plan: &SweepPlan, arm: usize, run: &RunPlan) -> Result<(RunPlan, PathBuf), Failure> {
    let pilot = RunPlan {
        checkpoints: When::AtTheEnd,
        stages: run.stages.iter().filter(|stage| stage.steps > 0).take(1).map(StagePlan::first_half).collect(),
        pressure: When::Never,
        leak: None,
        screen: false,
        ..run.clone()
    };
    let only = [(arm, pilot)];
    let sweep = Sweep::create(dir, plan, &only).map_err(Failure::work)?;
    let threads = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    let bar = SweepBar::new(&[(0, arm, only[0].1.steps())]);
    let trained = execute(&sweep, &only, &EngineRunner { commit: COMMIT }, threads, &bar);
    bar.clear();
    trained.map_err(Failure::work)?;
    let [(_, pilot)] = only;
    let folder = dir.join(pilot.id().0);
    Ok((pilot, folder))
}

fn foreseen(kernel: &Kernel, run: &RunPlan, calibration: &Calibration) -> Result<Forecast, Failure> {
    let probes: Vec<usize> = (0..kernel.probes.len()).collect();
    titer::forecast::forecast(kernel, &run.stages, Placement::Slots(run.seed), 0, &probes, calibration)
        .map_err(Failure::input)
}

/// The widest interval of a leading rate.
fn width(kernel: &Kernel, (_, run): &(usize, RunPlan), calibration: &Calibration) -> Result<f64, Failure> {
    let found = foreseen(kernel, run, calibration)?;
    let leading = Component::ALL.into_iter().filter_map(|component| kernel.leading(component));
    let ends = leading.filter_map(|probe| found.curves[probe].last());
    Ok(ends.map(|point| point.rate.high - point.rate.low).fold(0.0, f64::max))
}

/// Median error of the probes' margins at a run's end, nats.
fn error(
    kernel: &Kernel,
    run: &RunPlan,
    truth: &[(String, [f64; 2])],
    calibration: &Calibration,
) -> Result<f64, Failure> {
    let found = foreseen(kernel, run, calibration)?;
    let one = |(name, [margin, _]): &(String, [f64; 2])| {
        let probe = kernel.probes.iter().position(|probe| probe.name() == *name)?;
        Some((found.curves[probe].last()?.margin.mean - margin).abs())
    };
    Ok(median(&truth.iter().filter_map(one).collect::<Vec<_>>()))
}
