//! Pilots: short trainings along which a kernel is measured again.

use std::num::NonZero;

use titer::{
    exec::execute,
    forecast::{About, Calibration, Effort, Forecast, Kernel, Placement, against::measured},
    inputs::at_checkpoint,
    plan::{RunPlan, SweepPlan},
    spec::When,
    stats::median,
    store::Sweep,
    train::EngineRunner,
};
use titer_data::probe::Component;

use super::kernels::{self, Wanted};
use crate::{
    printer::{Failure, talk},
    progress::SweepBar,
};

/// Trains `pilots` arms of every seed half-way, those whose forecasts are widest, and goes from the base model's kernel
/// to theirs on the way. What each bought is told: how far the forecast of the pilot's own end was off before and after.
pub fn refresh(
    kernels: &mut [Kernel],
    wanted: &Wanted<'_>,
    plan: &SweepPlan,
    runs: &[(usize, RunPlan)],
    calibration: &Calibration,
    pilots: usize,
) -> Result<Vec<(usize, u64)>, Failure> {
    let dir = std::env::temp_dir().join(format!("titer-pilots-{}", std::process::id()));
    let mut piloted = Vec::new();
    let done = plan.seeds.iter().zip(kernels.iter_mut()).try_for_each(|(&seed, kernel)| {
        let own: Vec<&(usize, RunPlan)> = runs.iter().filter(|(_, run)| run.seed == seed).collect();
        let mut arms: Vec<(f64, &(usize, RunPlan))> =
            own.into_iter().map(|run| Ok((width(kernel, run, calibration)?, run))).collect::<Result<_, Failure>>()?;
        arms.sort_by(|a, b| b.0.total_cmp(&a.0));
        let base = kernel.clone();
        let mut there = Vec::new();
        for (_, (arm, run)) in arms.into_iter().take(pilots) {
            let pilot = RunPlan {
                checkpoints: When::AtTheEnd,
                stages: run.stages.iter().take(1).map(titer::plan::StagePlan::first_half).collect(),
                ..run.clone()
            };
            let only = vec![(*arm, pilot)];
            let sweep = Sweep::create(&dir, plan, &only).map_err(Failure::work)?;
            let threads = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
            let bar = SweepBar::new(&[(0, *arm, only[0].1.steps())]);
            let trained = execute(&sweep, &only, &EngineRunner, threads, &bar);
            bar.clear();
            trained.map_err(Failure::work)?;
            let pilot = &only[0].1;
            let folder = dir.join(pilot.id().0);
            let checkpoint = folder.join(format!("checkpoint-{}", pilot.steps()));
            let about = About { step: pilot.steps(), ..base.about.clone() };
            let effort = Effort {
                rows: wanted.rows,
                contrasts: wanted.contrasts,
                items: plan.probes.items,
                buckets: if base.about.adam { Effort::default().buckets } else { 0 },
            };
            let (model, source) = at_checkpoint(pilot, &checkpoint).map_err(Failure::work)?;
            let pilot_kernel = kernels::measured(&model, &source, about, &kernels::domains(plan), effort)?;
            let truth = measured(&folder).map_err(Failure::work)?;
            let before = error(kernel, pilot, &truth, calibration)?;
            there.push(pilot_kernel);
            piloted.push((*arm, seed));
            *kernel = base.gated(&there);
            let after = error(kernel, pilot, &truth, calibration)?;
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
