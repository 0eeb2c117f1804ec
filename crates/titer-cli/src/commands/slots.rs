//! `titer run --on slurm` and `--on slots`: the plan, and who is to make its runs.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::json;
use titer::{
    plan::{RunPlan, SweepPlan},
    slurm::{Cluster, Missing, QueuedJobs, SlotCommand, SlurmError, SlurmQueue, submit},
    spec::{SlurmFields, Spec},
    store::{Jobs, NoQueue, Submission, Sweep},
    words::counted,
};

use super::folder::{failure, keep, repair};
use crate::{
    args::{Place, RunArgs},
    paths::shown,
    printer::{Failure, data, spoken, talk, verbatim},
};

/// A sweep that slots are to make.
#[derive(Clone, Copy, Debug)]
pub(super) struct Submitting<'a> {
    pub args: &'a RunArgs,
    pub spec: &'a Spec,
    pub plan: &'a SweepPlan,
    pub runs: &'a [(usize, RunPlan)],
    /// The sweep's folder.
    pub out: &'a Path,
    /// A forecast to take into it.
    pub foretold: Option<&'a Path>,
}

impl Submitting<'_> {
    /// Writes the plan, and submits what nobody makes yet; where all is finished, writes the report.
    pub(super) fn submit(&self) -> Result<(), Failure> {
        let fields = self.args.slurm.over(&self.spec.slurm);
        let cluster = if self.args.on == Place::Slurm { Some(self.cluster(&fields)?) } else { None };
        let submissions = Submission::all(self.out).map_err(failure)?;
        let ours = cluster.as_ref().map_or("no cluster", |cluster| &*cluster.name);
        submissions.iter().try_for_each(|before| before.is_of(self.out, ours)).map_err(failure)?;
        let (queued, jobs) = match &cluster {
            Some(cluster) => {
                let queue = SlurmQueue::of(&cluster.name);
                let names: Vec<String> = submissions.iter().map(|submission| submission.name.clone()).collect();
                (queue.jobs(&names).map_err(Failure::work)?, Arc::new(queue) as Arc<dyn Jobs>)
            }
            None => (BTreeMap::new(), Arc::new(NoQueue) as Arc<dyn Jobs>),
        };
        let sweep = Sweep::plan(self.out, self.plan, self.runs, jobs).map_err(failure)?;
        repair(&sweep, self.args.repair)?;
        keep(self.foretold, self.out)?;
        let is_active = |submission: &Submission| {
            queued.get(&submission.name).is_some_and(|jobs: &QueuedJobs| jobs.waiting + jobs.running > 0)
        };
        let missing = Missing::of(&sweep, &submissions, is_active).map_err(Failure::work)?;
        let said = format!(
            "{}: {} × {}, {} missing, {} on their way, {} finished before, in {}",
            self.plan.title,
            counted(self.plan.arms.len(), "arm"),
            counted(self.plan.seeds.len(), "seed"),
            counted(missing.runs.len(), "run"),
            missing.on_their_way,
            missing.finished,
            self.out.display()
        );
        talk(&said);
        if missing.runs.is_empty() {
            return self.nothing_to_submit(&missing);
        }
        let count = missing.runs.len();
        let submission = Submission {
            format: Submission::FORMAT.known,
            number: submissions.len(),
            cluster: cluster.as_ref().map(|cluster| cluster.name.clone()),
            name: self.name(submissions.len())?,
            slots: fields.slots.unwrap_or(count).min(count),
            spec: self.spec.path.clone(),
            base: self.args.model.clone(),
            compute: self.args.compute.compute,
            device: self.args.compute.device,
            runs: missing.runs,
        };
        match &cluster {
            Some(cluster) => self.hand_over(&submission, &fields, cluster, count),
            None => self.for_others(&submission, count),
        }
    }

    /// The cluster, once it is known that it takes what is asked for.
    fn cluster(&self, fields: &SlurmFields) -> Result<Cluster, Failure> {
        let cluster = Cluster::here().map_err(|error| refused(&error))?;
        cluster.takes(fields).map_err(|error| match error {
            // What the spec asks for is blamed on its line.
            SlurmError::NoPartition { .. } if self.args.slurm.partition.is_none() => {
                Failure::input(self.spec.error(&["slurm", "partition"], error.to_string(), "name one of these"))
            }
            other => refused(&other),
        })?;
        Ok(cluster)
    }

    /// What a submission's jobs are called: no two sweeps' alike.
    fn name(&self, number: usize) -> Result<String, Failure> {
        let folder = fs_err::canonicalize(self.out).map_err(Failure::work)?;
        let readable: String = folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
            .take(30)
            .collect();
        Ok(format!("titer-{readable}-{}-{number}", Submission::mark(&folder)))
    }

    fn hand_over(
        &self,
        submission: &Submission,
        fields: &SlurmFields,
        cluster: &Cluster,
        count: usize,
    ) -> Result<(), Failure> {
        let titer = SlotCommand {
            program: std::env::current_exe().map_err(Failure::work)?,
            folder: std::env::current_dir().map_err(Failure::work)?,
            sweep: self.out.to_owned(),
        };
        let submitted = submit(submission, fields, cluster, &titer).map_err(Failure::work)?;
        talk(&format!(
            "submitted to cluster {}: {} in {}, {} {}; job {} writes the report after them; `titer status {}` says how far they are",
            cluster.name,
            counted(submission.slots, "slot"),
            counted(submitted.arrays.len(), "array"),
            if submitted.arrays.len() == 1 { "job" } else { "jobs" },
            submitted.arrays.join(", "),
            submitted.report,
            self.out.display()
        ));
        self.print(count, submission.slots, &submitted.arrays, Some(&submitted.report));
        Ok(())
    }

    fn for_others(&self, submission: &Submission, count: usize) -> Result<(), Failure> {
        submission.write(self.out).map_err(Failure::work)?;
        talk(&format!(
            "start `titer exec {} --slot K` for K from 0 to {}, in this folder; `titer report {0}` writes the report",
            self.out.display(),
            submission.slots - 1
        ));
        self.print(count, submission.slots, &[], None);
        Ok(())
    }

    fn nothing_to_submit(&self, missing: &Missing) -> Result<(), Failure> {
        if missing.on_their_way == 0 {
            let found = titer::report::write(self.out, &self.report()).map_err(Failure::work)?;
            found.iter().for_each(|sentence| spoken(sentence));
        }
        self.print(0, 0, &[], None);
        Ok(())
    }

    fn report(&self) -> PathBuf {
        self.out.join("report.html")
    }

    /// Prints where the report is or will be, or one JSON object.
    fn print(&self, new: usize, slots: usize, arrays: &[String], report_job: Option<&str>) {
        if self.args.json {
            let summary = json!({
                "folder": shown(self.out), "report": shown(self.report()), "runs": self.runs.len(), "new": new, "slots": slots,
                "jobs": arrays, "report_job": report_job,
            });
            verbatim(&summary.to_string());
        } else {
            data(&self.report().display().to_string());
        }
    }
}

/// The fault is the user's, unless Slurm's.
fn refused(error: &SlurmError) -> Failure {
    match error {
        SlurmError::NoSlurm(_) | SlurmError::NoPartition { .. } | SlurmError::Value(_) => Failure::input(error),
        _ => Failure::work(error),
    }
}
