//! Executing the runs of a sweep: the unfinished ones, several at a time.

use std::{
    error::Error,
    num::NonZero,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::json;

use crate::{
    plan::RunPlan,
    store::{RunDir, Sweep},
};

/// Does one run: trains, measures, writes tables into the run's folder.
pub trait Runner: Sync {
    /// Why it could not.
    type Error: Error + Send + Sync + 'static;

    /// The commit that it was built from, where that is known.
    fn commit(&self) -> Option<&str> {
        None
    }

    /// Does the run.
    fn run(&self, plan: &RunPlan, dir: &RunDir, progress: &dyn Progress) -> Result<(), Self::Error>;
}

/// Is told how a run advances.
pub trait Progress {
    /// One optimiser step has been done, at this loss.
    fn step(&self, loss: f64);

    /// Whether the run is to stop before its next step: it stays unfinished, and is made again by the next command.
    fn stopped(&self) -> bool {
        false
    }
}

/// Is told how a sweep advances; several runs may be under way at once.
pub trait SweepProgress: Sync {
    /// A run starts: its index among the planned ones and its plan.
    fn start(&self, run: usize, plan: &RunPlan) -> Box<dyn Progress + '_>;

    /// A run has been finished.
    fn finish(&self, run: usize);

    /// Whether no further run is to start.
    fn stopped(&self) -> bool {
        false
    }
}

/// Progress that nobody is told of.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _: f64) {}
}

impl SweepProgress for Silent {
    fn start(&self, _: usize, _: &RunPlan) -> Box<dyn Progress + '_> {
        Box::new(Self)
    }

    fn finish(&self, _: usize) {}
}

/// Why a sweep could not be completed.
#[derive(Debug, thiserror::Error)]
#[error("{arm}, seed {seed}: {problem}")]
pub struct RunFailed {
    /// The arm's name.
    pub arm: String,
    /// The seed.
    pub seed: u64,
    /// What went wrong.
    #[source]
    pub problem: Box<dyn Error + Send + Sync>,
}

/// Does every unfinished run of a sweep on `threads` threads; arms that resolve to the same plan share a run, which
/// is made for the first of them.
///
/// With at least as many runs as threads, each run has one thread; with fewer, they share the rest. What a run computes
/// does not depend on it.
///
/// # Errors
/// The first failure, after every other run has had its turn; one of them is that a run was stopped. Where the sweep was stopped
/// between runs there is none, and runs are left.
pub fn execute<R: Runner>(
    sweep: &Sweep,
    runs: &[(usize, RunPlan)],
    runner: &R,
    threads: NonZero<usize>,
    progress: &dyn SweepProgress,
) -> Result<(), RunFailed> {
    let mut seen = std::collections::BTreeSet::new();
    let todo: Vec<usize> =
        (0..runs.len()).filter(|&at| sweep.finished(&runs[at].1).is_none() && seen.insert(runs[at].1.id())).collect();
    let (next, failure) = (AtomicUsize::new(0), Mutex::new(None));
    let workers = threads.get().min(todo.len());
    let work = || {
        while let Some(&at) = todo.get(next.fetch_add(1, Ordering::Relaxed)).filter(|_| !progress.stopped()) {
            let (arm, plan) = &runs[at];
            if let Err(problem) = one(sweep, *arm, plan, runner, &*progress.start(at, plan)) {
                let arm = sweep.record().arm[*arm].name.clone();
                let failed = RunFailed { arm, seed: plan.seed, problem };
                failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get_or_insert(failed);
                continue;
            }
            progress.finish(at);
        }
    };
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let share = threads.get() / workers + usize::from(worker < threads.get() % workers);
            scope.spawn(move || {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(share).build();
                pool.expect("threads can be started").install(work);
            });
        }
    });
    failure.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()).map_or(Ok(()), Err)
}

fn one<R: Runner>(
    sweep: &Sweep,
    arm: usize,
    plan: &RunPlan,
    runner: &R,
    progress: &dyn Progress,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let dir = sweep.start(plan, arm, runner.commit())?;
    runner.run(plan, &dir, progress)?;
    dir.event("done", json!({ "steps": plan.steps() }))?;
    Ok(dir.finish()?)
}
