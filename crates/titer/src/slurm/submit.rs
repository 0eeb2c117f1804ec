//! Submitting slots.

use std::path::{Path, PathBuf};

use super::{Cluster, SlurmError, call::call, script};
use crate::{files::write_whole, spec::SlurmFields, store::Submission};

/// How a job calls titer.
#[derive(Clone, Debug)]
pub struct SlotCommand {
    /// The program.
    pub program: PathBuf,
    /// The folder that jobs work in.
    pub folder: PathBuf,
    /// The sweep's folder, as seen from there.
    pub sweep: PathBuf,
}

/// What was submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// The jobs of the arrays.
    pub arrays: Vec<String>,
    /// The job that writes the report once they have ended.
    pub report: String,
}

impl Cluster {
    /// Makes sure that what is asked for can be submitted here; has no effects.
    ///
    /// # Errors
    /// Where a value fits into no script, or there is no such partition.
    pub fn takes(&self, fields: &SlurmFields) -> Result<(), SlurmError> {
        script::check(fields)?;
        fields.partition.as_ref().map_or(Ok(()), |name| self.has_partition(name))
    }
}

/// Writes a submission and hands its slots to the cluster, as arrays that it takes, and a job that writes the report after them.
///
/// # Errors
/// Where Slurm refuses, or a file cannot be written. Where no array was taken, nothing is left of the submission.
pub fn submit(
    submission: &Submission,
    fields: &SlurmFields,
    cluster: &Cluster,
    titer: &SlotCommand,
) -> Result<Submitted, SlurmError> {
    let number = submission.number;
    let file = |ending: &str| Submission::path(&titer.sweep, number, ending);
    let words = |command: &str| {
        [titer.program.as_path(), Path::new(command), titer.sweep.as_path()].map(|word| word.display().to_string())
    };
    let slot = [&words("exec")[..], &["--submission".to_owned(), number.to_string()]].concat();
    submission.write(&titer.sweep)?;
    write_whole(&file("sh"), script::of_slots(fields, &submission.name, &slot).as_bytes())?;
    let report = script::of_report(fields, &format!("{}-report", submission.name), &words("report"));
    write_whole(&file("report.sh"), report.as_bytes())?;

    let chdir = format!("--chdir={}", titer.folder.display());
    let output = |pattern: &str| {
        let folder = std::path::absolute(titer.sweep.join(Submission::FOLDER))?;
        Ok::<_, SlurmError>(format!("--output={}/{number}-{pattern}.log", script::unexpanded(&folder)))
    };
    let arrays = script::arrays(submission.slots, cluster.max_array_size);
    let mut jobs: Vec<String> = Vec::new();
    for (done, array) in arrays.iter().enumerate() {
        let mut args = vec!["--parsable".to_owned(), chdir.clone(), output("%A_%a")?];
        let at_once = fields.at_once.map_or_else(String::new, |at_once| format!("%{at_once}"));
        args.push(format!("--array=0-{}{at_once}", array.slots - 1));
        // The limit is of one array, so the next waits for it: its slots go on as long as there are runs.
        if let Some(before) = jobs.last().filter(|_| fields.at_once.is_some()) {
            args.push(format!("--dependency=afterany:{before}"));
        }
        args.extend([file("sh").display().to_string(), array.first.to_string()]);
        match sbatch(&args) {
            Ok(job) => jobs.push(job),
            Err(error) if done == 0 => {
                for ending in ["sh", "report.sh", "toml"] {
                    fs_err::remove_file(file(ending))?;
                }
                return Err(error);
            }
            Err(error) => {
                return Err(SlurmError::InPart { done, arrays: arrays.len(), jobs, problem: error.to_string() });
            }
        }
    }
    let after = format!("--dependency=afterany:{}", jobs.join(":"));
    let script = file("report.sh").display().to_string();
    match sbatch(&["--parsable".to_owned(), chdir, output("report")?, after, script]) {
        Ok(report) => Ok(Submitted { arrays: jobs, report }),
        Err(error) => Err(SlurmError::NoReport { jobs, sweep: titer.sweep.clone(), problem: error.to_string() }),
    }
}

/// Submits a job and returns its number, without the cluster that may stand behind it.
fn sbatch(args: &[String]) -> Result<String, SlurmError> {
    let said = call("sbatch", args)?;
    Ok(said.trim().split(';').next().unwrap_or_default().to_owned())
}
