//! Which runs of a sweep nobody is going to make.

use std::{collections::BTreeSet, io};

use crate::{
    plan::RunId,
    store::{LeaseEnd, Submission, Sweep},
};

/// The runs of a sweep, told apart by who makes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Those that nobody makes, each once, in the order of the arms.
    pub runs: Vec<RunId>,
    /// How many somebody makes or is going to: a slot that waits or runs, or who holds a lease.
    pub on_their_way: usize,
    /// How many are finished.
    pub finished: usize,
}

impl Missing {
    /// Of a sweep: `is_active` says whether slots of a submission wait or run. What failed in a submission, its slots do not do again.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn of(sweep: &Sweep, submissions: &[Submission], is_active: impl Fn(&Submission) -> bool) -> io::Result<Self> {
        let mut missing = Self { runs: Vec::new(), on_their_way: 0, finished: 0 };
        let active: Vec<(usize, BTreeSet<&RunId>)> = submissions
            .iter()
            .filter(|submission| is_active(submission))
            .map(|submission| (submission.number, submission.runs.iter().collect()))
            .collect();
        let leased: BTreeSet<String> = sweep.leases().all()?.into_iter().collect();
        let mut seen = BTreeSet::new();
        for run in sweep.runs().into_iter().filter(|run| seen.insert(run.id.clone())) {
            if run.done {
                missing.finished += 1;
                continue;
            }
            let state = if leased.contains(&run.id.0) { sweep.leases().state(&run.id.0)? } else { None };
            let failed_in = state
                .as_ref()
                .filter(|state| matches!(state.end, Some(LeaseEnd::Failed(_))))
                .and_then(|state| state.holder.as_ref()?.submission);
            let is_held = state.is_some_and(|state| state.held);
            let is_on_its_way = is_held
                || active
                    .iter()
                    .any(|(number, runs)| runs.contains(&run.id) && failed_in.is_none_or(|failed| failed < *number));
            if is_on_its_way {
                missing.on_their_way += 1;
            } else {
                missing.runs.push(run.id);
            }
        }
        Ok(missing)
    }
}
