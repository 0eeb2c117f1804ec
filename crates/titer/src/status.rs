//! How far a sweep is: what its folder says, for sweeps of one process and of many slots alike.

use std::{
    collections::BTreeSet,
    io,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    plan::RunId,
    store::{Holder, LeaseEnd, Origin, StoredRun, Sweep},
};

/// Finished runs whose times are looked at to say how long one takes.
const SAMPLE: usize = 64;

/// How far a sweep is.
#[derive(Clone, Debug)]
pub struct SweepStatus {
    /// Runs in all, each counted once.
    pub runs: usize,
    /// Those that are finished.
    pub finished: usize,
    /// Of these, those that were trained elsewhere.
    pub elsewhere: usize,
    /// Those that somebody makes now.
    pub running: Vec<RunningRun>,
    /// Those that were tried last and could not be finished.
    pub failed: Vec<UnfinishedRun>,
    /// The others.
    pub waiting: usize,
    /// Seconds until every running and waiting run is finished, with as many at once as now; `None` where none runs, or none is
    /// finished to go by.
    pub seconds_left: Option<f64>,
}

/// A run that somebody makes now.
#[derive(Clone, Debug)]
pub struct RunningRun {
    /// Its name.
    pub id: RunId,
    /// Its arm's name.
    pub arm: String,
    /// Its seed.
    pub seed: u64,
    /// Who makes it.
    pub holder: Holder,
    /// For how many seconds, where it has begun.
    pub seconds: Option<f64>,
}

/// A run that could not be finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfinishedRun {
    /// Its name.
    pub id: RunId,
    /// Its arm's name.
    pub arm: String,
    /// Its seed.
    pub seed: u64,
    /// Why.
    pub reason: String,
}

impl SweepStatus {
    /// Looks at a sweep's folder; changes nothing.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn of(sweep: &Sweep) -> io::Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        let leased: BTreeSet<String> = sweep.leases().all()?.into_iter().collect();
        let mut status = Self {
            runs: 0,
            finished: 0,
            elsewhere: 0,
            running: Vec::new(),
            failed: Vec::new(),
            waiting: 0,
            seconds_left: None,
        };
        let (mut finished, mut seen) = (Vec::new(), BTreeSet::new());
        for run in sweep.runs().into_iter().filter(|run| seen.insert(run.id.clone())) {
            status.runs += 1;
            if run.done {
                finished.push(run);
                continue;
            }
            let state = if leased.contains(&run.id.0) { sweep.leases().state(&run.id.0)? } else { None };
            let (arm, seed) = (sweep.record().arm[run.arm].name.clone(), run.seed);
            match state {
                Some(state) if state.held => {
                    let seconds = run.times().0.map(|start| (now - start).max(0.0));
                    let holder = state.holder.unwrap_or_default();
                    status.running.push(RunningRun { id: run.id, arm, seed, holder, seconds });
                }
                Some(state) => match state.end {
                    Some(LeaseEnd::Failed(reason)) => {
                        status.failed.push(UnfinishedRun { id: run.id, arm, seed, reason });
                    }
                    _ => status.waiting += 1,
                },
                None => status.waiting += 1,
            }
        }
        status.finished = finished.len();
        // What is only brought in says nothing of how long a run takes.
        finished.retain(|run| !run.dir.join(Origin::FILE).exists());
        status.elsewhere = status.finished - finished.len();
        status.seconds_left = mean_seconds(&finished).and_then(|mean| status.left(mean));
        Ok(status)
    }

    /// Seconds left where a run takes `mean` of them.
    fn left(&self, mean: f64) -> Option<f64> {
        let begun = self.running.iter().map(|run| (mean - run.seconds.unwrap_or(0.0)).max(0.0)).sum::<f64>();
        let work = begun + mean * self.waiting as f64;
        (!self.running.is_empty()).then(|| work / self.running.len() as f64)
    }
}

/// How many seconds a run took, on average over some of the finished ones; `None` where none says.
fn mean_seconds(finished: &[StoredRun]) -> Option<f64> {
    let some = finished.iter().step_by(finished.len().div_ceil(SAMPLE).max(1));
    mean_taken(some.map(StoredRun::times))
}

/// The mean of what lies between starts and ends.
fn mean_taken(times: impl Iterator<Item = (Option<f64>, Option<f64>)>) -> Option<f64> {
    // A clock that was set back meanwhile says nothing.
    let seconds: Vec<f64> =
        times.filter_map(|(start, done)| Some(done? - start?)).filter(|seconds| *seconds >= 0.0).collect();
    (!seconds.is_empty()).then(|| seconds.iter().sum::<f64>() / seconds.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_ended_before_it_began_says_nothing() {
        let times = [(Some(5.0), Some(9.0)), (Some(1e9), Some(7.0)), (None, Some(3.0)), (Some(0.0), Some(2.0))];
        assert_eq!(mean_taken(times.into_iter()), Some(3.0));
        assert_eq!(mean_taken(times[1..3].iter().copied()), None);
    }

    #[test]
    fn time_left_goes_by_what_runs_at_once() {
        let running = |seconds| RunningRun {
            id: RunId("a".to_owned()),
            arm: "a".to_owned(),
            seed: 0,
            holder: Holder::default(),
            seconds,
        };
        let status = SweepStatus {
            runs: 20,
            finished: 6,
            elsewhere: 0,
            running: vec![running(Some(4.0)), running(Some(30.0)), running(None), running(Some(8.0))],
            failed: Vec::new(),
            waiting: 10,
            seconds_left: None,
        };
        // 6, 0, 10 and 2 seconds of what runs, 100 of what waits, four at once.
        assert_eq!(status.left(10.0), Some(29.5));
        assert_eq!(SweepStatus { running: Vec::new(), ..status }.left(10.0), None);
    }
}
