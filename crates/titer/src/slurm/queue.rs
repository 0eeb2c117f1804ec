//! What Slurm's queue says.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{SlurmError, call::call};
use crate::store::{Holder, Jobs};

/// For how long an answer about a job is taken to hold.
const FRESH: Duration = Duration::from_secs(30);

/// The queue of a cluster.
#[derive(Debug)]
pub struct SlurmQueue {
    cluster: String,
    /// Whether each job that was asked for runs, and when that was.
    answers: Mutex<BTreeMap<String, (Instant, Option<bool>)>>,
}

impl SlurmQueue {
    /// The queue of the cluster of this name, which this machine belongs to.
    pub fn of(cluster: &str) -> Self {
        Self { cluster: cluster.to_owned(), answers: Mutex::default() }
    }

    /// How many jobs of each of these names wait or run.
    ///
    /// # Errors
    /// Where the queue does not answer.
    pub fn jobs(&self, names: &[String]) -> Result<BTreeMap<String, QueuedJobs>, SlurmError> {
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let named = format!("--name={}", names.join(","));
        let text = call("squeue", ["--noheader", "--array", &named, "--format=%j %T"])?;
        Ok(counted(&text))
    }
}

/// Jobs of one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueuedJobs {
    /// Those that have not started.
    pub waiting: usize,
    /// Those that have.
    pub running: usize,
}

impl Jobs for SlurmQueue {
    fn runs(&self, holder: &Holder) -> Option<bool> {
        let job = holder.job.as_ref().filter(|_| holder.cluster.as_ref() == Some(&self.cluster))?;
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, answer)) = answers.get(job).filter(|(at, _)| at.elapsed() < FRESH) {
            return *answer;
        }
        let answer = match call("squeue", ["--noheader", "--array", &format!("--jobs={job}"), "--format=%j %T"]) {
            Ok(text) => Some(counted(&text).values().any(|jobs| jobs.running > 0)),
            // So it says of a job that ended a while ago.
            Err(SlurmError::Refused { said, .. }) if said.contains("Invalid job id") => Some(false),
            Err(_) => None,
        };
        answers.insert(job.clone(), (Instant::now(), answer));
        answer
    }
}

/// Counts lines of a name and a state. Jobs that are over, or only being cleaned up after, do nothing any more.
fn counted(text: &str) -> BTreeMap<String, QueuedJobs> {
    let mut counted = BTreeMap::<String, QueuedJobs>::new();
    for (name, state) in text.lines().filter_map(|line| line.trim().rsplit_once(' ')) {
        let jobs = counted.entry(name.to_owned()).or_default();
        match state {
            "PENDING" | "CONFIGURING" | "REQUEUED" => jobs.waiting += 1,
            "RUNNING" | "SUSPENDED" | "STOPPED" | "SIGNALING" | "RESIZING" | "STAGE_OUT" => jobs.running += 1,
            _ => {}
        }
    }
    counted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_counted_by_name() {
        let found = counted("titer-a-0 RUNNING\ntiter-a-0 PENDING\ntiter-a-0 PENDING\ntiter-a-1 COMPLETING\n");
        assert_eq!(found["titer-a-0"], QueuedJobs { waiting: 2, running: 1 });
        assert_eq!(found["titer-a-1"], QueuedJobs::default());
    }

    #[test]
    fn of_jobs_of_another_cluster_nothing_is_known() {
        let queue = SlurmQueue::of("hive");
        let elsewhere = Holder { job: Some("1_0".to_owned()), cluster: Some("farm".to_owned()), ..Holder::default() };
        assert_eq!(queue.runs(&elsewhere), None);
        assert_eq!(queue.runs(&Holder { job: None, cluster: Some("hive".to_owned()), ..Holder::default() }), None);
    }
}
