//! Executing the runs of a sweep: the unfinished ones, several at a time, or one after the other beside others who do the same.

use std::{
    collections::{BTreeMap, BTreeSet},
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
    store::{Beginnings, Lease, LeaseEnd, LeaseStanding, LeaseState, RunDir, StoreError, Sweep, Taking},
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
    /// The run goes on behind so many optimiser steps that have been done before, by it or by one that begins alike; 0 where it
    /// begins at the beginning. Told once, before its first step.
    fn taken_over(&self, _steps: usize) {}

    /// One optimiser step has been done, at this loss: of a stage, or of what is trained for one (see [`RunPlan::batches`]). Its passes read so
    /// many tokens, prompts included.
    fn step(&self, loss: f64, tokens: usize);

    /// So many bytes of the device's memory are in use, of so many.
    fn memory(&self, _used: u64, _all: u64) {}

    /// Something that who waits for the run should know, in a sentence.
    fn note(&self, _sentence: &str) {}

    /// Whether the run is to stop before its next step: it stays unfinished, and the next command goes on behind the stages that it
    /// has finished.
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
    fn step(&self, _: f64, _: usize) {}
}

impl SweepProgress for Silent {
    fn start(&self, _: usize, _: &RunPlan) -> Box<dyn Progress + '_> {
        Box::new(Self)
    }

    fn finish(&self, _: usize) {}
}

/// Why a run could not be done.
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

/// Why a sweep could not be completed: its runs that could not be done, at least one, in the plan's order.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.sentences().join("; "))]
pub struct RunsFailed(pub Vec<RunFailed>);

impl RunsFailed {
    /// What went wrong, a sentence for each different thing.
    pub fn sentences(&self) -> Vec<String> {
        let mut problems: Vec<(String, &RunFailed, usize)> = Vec::new();
        for run in &self.0 {
            let problem = run.problem.to_string();
            match problems.iter_mut().find(|(known, ..)| *known == problem) {
                Some((_, _, count)) => *count += 1,
                None => problems.push((problem, run, 1)),
            }
        }
        let sentence = |(problem, first, count): (String, &RunFailed, usize)| match count {
            1 => first.to_string(),
            count => format!("{count} runs, the first of them {}, seed {}: {problem}", first.arm, first.seed),
        };
        problems.into_iter().map(sentence).collect()
    }
}

/// Does every unfinished run of a sweep on `threads` threads; arms that resolve to the same plan share a run, which
/// is made for the first of them. What a run begins with is kept as long as an unfinished one needs it.
///
/// With at least as many runs as threads, each run has one thread; with fewer, they share the rest. What a run computes
/// does not depend on it.
///
/// # Errors
/// Every failure, after every other run has had its turn; that a run was stopped is one. Where the sweep was stopped between runs
/// there is none, and runs are left.
pub fn execute<R: Runner>(
    sweep: &Sweep,
    runs: &[(usize, RunPlan)],
    runner: &R,
    threads: NonZero<usize>,
    progress: &dyn SweepProgress,
) -> Result<(), RunsFailed> {
    let mut seen = BTreeSet::new();
    let todo: Vec<usize> =
        (0..runs.len()).filter(|&at| sweep.finished(&runs[at].1).is_none() && seen.insert(runs[at].1.id())).collect();
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let begin_with: BTreeMap<usize, Vec<String>> =
        todo.iter().map(|&at| (at, Beginnings::names(&runs[at].1))).collect();
    let unfinished = Mutex::new(begin_with);
    let workers = threads.get().min(todo.len());
    let work = || {
        while let Some(&at) = todo.get(next.fetch_add(1, Ordering::Relaxed)).filter(|_| !progress.stopped()) {
            let (arm, plan) = &runs[at];
            if let Err(problem) = alone(sweep, *arm, plan, runner, &*progress.start(at, plan)) {
                let arm = sweep.record().arm[*arm].name.clone();
                let mut failed = failed.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                failed.insert(at, RunFailed { arm, seed: plan.seed, problem });
                continue;
            }
            progress.finish(at);
            let mut unfinished = unfinished.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let own = unfinished.remove(&at).unwrap_or_default();
            // What nobody goes on from any more only takes room, so that it stays is no failure.
            let _ = sweep.beginnings().drop_all_but(&own, &unfinished.values().flatten().collect());
        }
    };
    // Those that have started do the others' share; where none has, nothing is done.
    let started: Vec<Result<(), NoThreads>> = std::thread::scope(|scope| {
        let start = |worker: usize| {
            let share = threads.get() / workers + usize::from(worker < threads.get() % workers);
            let pool = pool_of(share)?;
            let worker = std::thread::Builder::new().spawn_scoped(scope, move || pool.install(work));
            worker.map(drop).map_err(|error| NoThreads { count: 1, problem: error.to_string() })
        };
        (0..workers).map(start).collect()
    });
    let mut failed: Vec<_> =
        failed.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()).into_values().collect();
    if started.iter().all(Result::is_err)
        && let (Some(Err(problem)), Some(&first)) = (started.into_iter().next(), todo.first())
    {
        let (arm, plan) = &runs[first];
        let arm = sweep.record().arm[*arm].name.clone();
        failed.push(RunFailed { arm, seed: plan.seed, problem: Box::new(problem) });
    }
    if failed.is_empty() { Ok(()) } else { Err(RunsFailed(failed)) }
}

/// There are no threads to work with.
#[derive(Debug, thiserror::Error)]
#[error(
    "the system starts no {count} threads to compute with: {problem}; take fewer with --threads, or look at its limits (`ulimit -u -v`)"
)]
struct NoThreads {
    /// How many were wanted.
    count: usize,
    /// What the system says.
    problem: String,
}

fn pool_of(count: usize) -> Result<rayon::ThreadPool, NoThreads> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build();
    pool.map_err(|error| NoThreads { count, problem: error.to_string() })
}

/// One of many workers that share a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Which one.
    pub number: usize,
    /// How many there are.
    pub count: usize,
    /// The submission that it works for: what failed in it is not tried again.
    pub submission: usize,
}

/// What a slot did.
#[derive(Debug, Default)]
pub struct SlotWork {
    /// Runs that it finished.
    pub made: usize,
    /// Runs that it could not finish.
    pub failed: Vec<RunFailed>,
}

/// Does unfinished runs of a sweep one at a time, all threads on each, until every one is finished, failed or in other hands. It
/// begins at its own place in the list, so that slots seldom reach for the same run.
///
/// # Errors
/// Where leases cannot be taken, or a process makes all runs of the folder by itself. A run that fails is no error.
pub fn execute_slot<R: Runner>(
    sweep: &Sweep,
    runs: &[(usize, RunPlan)],
    runner: &R,
    slot: Slot,
    threads: NonZero<usize>,
    progress: &dyn SweepProgress,
) -> Result<SlotWork, StoreError> {
    let pool = pool_of(threads.get()).map_err(std::io::Error::other)?;
    let begin = runs.len() * (slot.number % slot.count.max(1)) / slot.count.max(1);
    let mut work = SlotWork::default();
    loop {
        let mut tried = false;
        for at in (begin..runs.len()).chain(0..begin) {
            let (arm, plan) = &runs[at];
            if sweep.finished(plan).is_some() || has_failed(sweep.leases().state(&plan.id().0)?, slot.submission) {
                continue;
            }
            let Taking::Mine(lease) = sweep.leases().take(&plan.id().0)? else { continue };
            // Looked at once more: it may have been finished before the lease could be taken.
            if sweep.finished(plan).is_some() {
                lease.end(&LeaseEnd::Finished)?;
                continue;
            }
            sweep.is_shared()?;
            tried = true;
            match pool.install(|| make_run(sweep, *arm, plan, runner, lease, &*progress.start(at, plan))) {
                Ok(()) => {
                    work.made += 1;
                    progress.finish(at);
                }
                Err(problem) => {
                    let arm = sweep.record().arm[*arm].name.clone();
                    work.failed.push(RunFailed { arm, seed: plan.seed, problem });
                }
            }
        }
        if !tried {
            let (finished, unfinished): (Vec<_>, Vec<_>) =
                runs.iter().map(|(_, plan)| plan).partition(|plan| sweep.finished(plan).is_some());
            let names = |runs: Vec<&RunPlan>| runs.into_iter().flat_map(Beginnings::names).collect::<Vec<_>>();
            sweep.beginnings().drop_all_but(&names(finished), &names(unfinished).iter().collect())?;
            return Ok(work);
        }
    }
}

/// Whether a run failed in this submission.
fn has_failed(state: Option<LeaseState>, submission: usize) -> bool {
    let failed = state.filter(|state| matches!(state.end, Some(LeaseEnd::Failed(_))));
    failed.and_then(|state| state.holder).is_some_and(|holder| holder.submission == Some(submission))
}

/// Takes a run that nobody else should have, and does it.
fn alone<R: Runner>(
    sweep: &Sweep,
    arm: usize,
    plan: &RunPlan,
    runner: &R,
    progress: &dyn Progress,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    match sweep.leases().take(&plan.id().0)? {
        Taking::Mine(lease) => make_run(sweep, arm, plan, runner, lease, progress),
        Taking::Held(by) => {
            let (dir, by) = (sweep.dir().to_owned(), by.to_string());
            Err(StoreError::Taken { dir, by }.into())
        }
    }
}

/// Does a run and ends its lease.
fn make_run<R: Runner>(
    sweep: &Sweep,
    arm: usize,
    plan: &RunPlan,
    runner: &R,
    lease: Lease,
    progress: &dyn Progress,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let done = (|| {
        let dir = sweep.start(plan, arm, runner.commit())?;
        runner.run(plan, &dir, progress)?;
        dir.event("done", json!({ "steps": plan.steps() }))?;
        match lease.standing()? {
            LeaseStanding::Mine => {}
            // Who was silent for too long has lost the run to another, whose files these may be by now.
            LeaseStanding::Taken => {
                return Err("another process has taken this run, because this one gave no sign of life for long".into());
            }
            LeaseStanding::Gone => {
                return Err("the sweep's folder, or .leases in it, was removed while the run was made".into());
            }
        }
        Ok(dir.finish()?)
    })();
    match done {
        Ok(()) => Ok(lease.end(&LeaseEnd::Finished)?),
        Err(problem) => {
            let problem: Box<dyn Error + Send + Sync> = problem;
            // The reason is told also where it cannot be written down.
            let _ = lease.end(&LeaseEnd::Failed(problem.to_string()));
            Err(problem)
        }
    }
}
