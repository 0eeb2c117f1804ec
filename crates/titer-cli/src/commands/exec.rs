//! `titer exec`

use std::{collections::BTreeSet, sync::Arc};

use titer::{
    exec::{RunsFailed, Slot, SlotWork, execute_slot},
    slurm::SlurmQueue,
    spec::Spec,
    store::{Holder, Jobs, NoQueue, StoreError, Submission, Sweep},
    words::counted,
};
use titer_engine::{
    device::{available, begin_at},
    inputs::{Inputs, Resolved},
    train::EngineRunner,
};

use super::{allotted::allotted_threads, folder::failure, open::resolve};
use crate::{
    args::ExecArgs,
    interrupt::when_stopped,
    printer::{Failure, talk},
    progress::SweepBar,
    version::COMMIT,
};

/// Makes runs of a submission, one at a time, until all are finished, failed or in the hands of other slots.
pub(crate) fn exec(args: &ExecArgs) -> Result<(), Failure> {
    let submission = match args.submission {
        Some(number) => Submission::read(&args.dir, number).map_err(failure)?,
        None => Submission::all(&args.dir).map_err(failure)?.pop(),
    };
    let submission = submission.ok_or_else(|| failure(StoreError::NotSubmitted(args.dir.clone())))?;
    let me = Holder { submission: Some(submission.number), slot: Some(args.slot), ..Holder::here() };
    if let Some(cluster) = &me.cluster {
        submission.is_of(&args.dir, cluster).map_err(failure)?;
    }
    let jobs: Arc<dyn Jobs> = match &me.cluster {
        Some(cluster) => Arc::new(SlurmQueue::of(cluster)),
        None => Arc::new(NoQueue),
    };
    let sweep = Sweep::join(&args.dir, me, jobs).map_err(failure)?;
    sweep.is_shared().map_err(failure)?;

    let record = sweep.record();
    let mut spec = Spec::parse(&record.spec, &submission.spec).map_err(Failure::input)?;
    spec.base = submission.base.clone().or(spec.base);
    spec.compute = submission.compute.or(spec.compute);
    spec.device = submission.device.or(spec.device);
    if record.quick {
        spec.cut();
    }
    spec.seeds = Some(record.seeds.clone());
    let inputs = Inputs::default();
    let Resolved { plan, runs, .. } = resolve(&spec, &inputs).map_err(Failure::input)?;
    // Slots of one machine begin on a GPU of their own, where any is meant.
    begin_at(args.slot);
    // Before a run is claimed, so that slots on machines that have the device make it.
    available(plan.device, plan.compute).map_err(Failure::input)?;
    // What the sweep's record no longer has is of another version of the spec, and nobody waits for it.
    let planned: BTreeSet<_> = sweep.runs().into_iter().map(|run| run.id).collect();
    let mut wanted: BTreeSet<_> = submission.runs.iter().filter(|run| planned.contains(*run)).collect();
    let count = wanted.len();
    let mine: Vec<_> = runs.into_iter().filter(|(_, plan)| wanted.remove(&plan.id())).collect();
    if let Some(run) = wanted.first() {
        return Err(Failure::Input(format!(
            "{}: run {} is not what its spec gives now: data or model have changed since it was submitted; submit it again",
            args.dir.display(),
            run.0
        )));
    }
    let threads = args.threads.unwrap_or_else(allotted_threads);
    talk(&format!(
        "{}: slot {} of {}, {}, {}",
        record.title,
        args.slot,
        submission.slots,
        counted(count, "run"),
        counted(threads.get(), "thread")
    ));
    let leases = sweep.leases().clone();
    when_stopped("\nstopped; the run that was under way goes to another slot, or is submitted again", move || {
        leases.leave()
    });
    let bar = SweepBar::of_runs(mine.iter().enumerate().map(|(at, (_, run))| (at, run)));
    let runner = EngineRunner { inputs: &inputs, commit: COMMIT };
    let slot = Slot { number: args.slot, count: submission.slots, submission: submission.number };
    let work = execute_slot(&sweep, &mine, &runner, slot, threads, &bar);
    bar.clear();
    let SlotWork { made, failed } = work.map_err(failure)?;
    talk(&format!("made {}", counted(made, "run")));
    if failed.is_empty() { Ok(()) } else { Err(Failure::runs(&RunsFailed(failed))) }
}
