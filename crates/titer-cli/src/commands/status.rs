//! `titer status`

use std::{io::IsTerminal as _, sync::Arc, thread::sleep, time::Duration};

use serde_json::{Value, json};
use titer::{
    slurm::{Cluster, QueuedJobs, SlurmQueue},
    status::SweepStatus,
    store::{Holder, Jobs, NoQueue, Submission, Sweep},
    words::counted,
};

use super::folder::failure;
use crate::{
    args::StatusArgs,
    numbers::duration,
    paths::shown,
    printer::{Failure, data, in_words, verbatim},
};

/// Running runs and failed ones that are named; the others are counted.
const NAMED: usize = 10;

/// Prints how far a sweep is, once or until it is at rest.
pub(crate) fn status(args: &StatusArgs) -> Result<(), Failure> {
    loop {
        let (sweep, queued) = look(args)?;
        let status = SweepStatus::of(&sweep).map_err(Failure::work)?;
        if args.json {
            verbatim(&as_json(&sweep, &status, queued).to_string());
        } else {
            if args.watch && std::io::stdout().is_terminal() {
                // Clears the screen and goes to its start.
                verbatim("\x1b[2J\x1b[H");
            }
            lines(&sweep, &status, queued).iter().for_each(|line| data(line));
        }
        // Where the queue cannot be asked, or there is none, a run waits as long as nobody makes it.
        let waiting = queued.map_or(status.waiting, |jobs| jobs.waiting + jobs.running);
        let is_at_rest = status.running.is_empty() && waiting == 0;
        if !args.watch || is_at_rest {
            return Ok(());
        }
        sleep(Duration::from_secs(args.every));
    }
}

/// The sweep, and the jobs of its slots where this machine's cluster has it.
fn look(args: &StatusArgs) -> Result<(Sweep, Option<QueuedJobs>), Failure> {
    // A folder without a sweep is named before anything else is asked.
    Sweep::open(&args.dir).map_err(failure)?;
    let submissions = Submission::all(&args.dir).map_err(failure)?;
    let submitted_to = submissions.iter().find_map(|submission| submission.cluster.clone());
    // Where the queue cannot be asked, leases say what they can.
    let cluster = submitted_to
        .as_ref()
        .and_then(|_| Cluster::here().ok())
        .filter(|cluster| Some(&cluster.name) == submitted_to.as_ref());
    let queue = cluster.map(|cluster| SlurmQueue::of(&cluster.name));
    let names: Vec<String> = submissions.into_iter().map(|submission| submission.name).collect();
    let queued = queue.as_ref().and_then(|queue| queue.jobs(&names).ok()).map(|jobs| {
        let sum = |all: QueuedJobs, part: &QueuedJobs| QueuedJobs {
            waiting: all.waiting + part.waiting,
            running: all.running + part.running,
        };
        jobs.values().fold(QueuedJobs::default(), sum)
    });
    let jobs: Arc<dyn Jobs> = match queue {
        Some(queue) => Arc::new(queue),
        None => Arc::new(NoQueue),
    };
    Ok((Sweep::join(&args.dir, Holder::here(), jobs).map_err(failure)?, queued))
}

fn lines(sweep: &Sweep, status: &SweepStatus, queued: Option<QueuedJobs>) -> Vec<String> {
    let SweepStatus { runs, finished, elsewhere, running, failed, waiting, seconds_left } = status;
    let by_others = if *elsewhere > 0 { format!(", {elsewhere} of them trained elsewhere") } else { String::new() };
    let mut lines = vec![
        format!("{}: {} in {}", sweep.record().title, counted(*runs, "run"), sweep.dir().display()),
        format!("finished {finished:>6}{by_others}"),
        format!("running  {:>6}", running.len()),
        format!("waiting  {waiting:>6}"),
        format!("failed   {:>6}", failed.len()),
    ];
    if let Some(jobs) = queued {
        lines.push(format!("slots in the queue: {} running, {} waiting", jobs.running, jobs.waiting));
    }
    lines.extend(match seconds_left {
        Some(_) if running.is_empty() => None,
        Some(seconds) => Some(format!("about {} to go, {} at once", duration(*seconds), running.len())),
        None => None,
    });
    if running.is_empty() && queued.is_none_or(|jobs| jobs.waiting + jobs.running == 0) && waiting + failed.len() > 0 {
        let remedy = if is_for_slots(sweep) {
            format!(
                "`titer exec {} --slot K` makes it, with a number K of its own for each of many",
                sweep.dir().display()
            )
        } else {
            "the command that began the sweep goes on with it".to_owned()
        };
        lines.push(format!("nobody makes what is unfinished; {remedy}"));
    }
    for run in running.iter().take(NAMED) {
        let since = run.seconds.map_or_else(String::new, |seconds| format!(", for {}", duration(seconds)));
        lines.push(format!("running: {}, seed {}, by {}{since}", run.arm, run.seed, run.holder));
    }
    for run in failed.iter().take(NAMED) {
        lines.push(format!("failed: {}, seed {}: {}", run.arm, run.seed, in_words(&run.reason)));
    }
    let hidden = running.len().saturating_sub(NAMED) + failed.len().saturating_sub(NAMED);
    if hidden > 0 {
        lines.push(format!("and {hidden} more; --json names all"));
    }
    lines
}

/// Whether it was planned for slots that somebody starts, not a cluster.
fn is_for_slots(sweep: &Sweep) -> bool {
    let submissions = Submission::all(sweep.dir()).unwrap_or_default();
    submissions.last().is_some_and(|submission| submission.cluster.is_none())
}

fn as_json(sweep: &Sweep, status: &SweepStatus, queued: Option<QueuedJobs>) -> Value {
    let running = status.running.iter().map(|run| {
        json!({ "run": run.id, "arm": run.arm, "seed": run.seed, "by": run.holder.to_string(), "seconds": run.seconds })
    });
    let failed = status
        .failed
        .iter()
        .map(|run| json!({ "run": run.id, "arm": run.arm, "seed": run.seed, "reason": run.reason }));
    json!({
        "folder": shown(sweep.dir()),
        "title": sweep.record().title,
        "runs": status.runs,
        "finished": status.finished,
        "trained_elsewhere": status.elsewhere,
        "running": running.collect::<Vec<_>>(),
        "waiting": status.waiting,
        "failed": failed.collect::<Vec<_>>(),
        "seconds_left": status.seconds_left,
        "slots": queued.map(|jobs| json!({ "waiting": jobs.waiting, "running": jobs.running })),
    })
}
