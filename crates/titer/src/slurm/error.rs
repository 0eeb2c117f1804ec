//! Why a cluster cannot be used.

use std::{io, path::PathBuf};

/// Why a cluster cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SlurmError {
    /// There is no Slurm.
    #[error("`{0}` is not on the path: run this where Slurm's commands are, such as on the cluster's login node")]
    NoSlurm(&'static str),
    /// A command of Slurm's failed.
    #[error("`{command}` says: {said}")]
    Refused {
        /// The command.
        command: String,
        /// What it said.
        said: String,
    },
    /// There is no such partition.
    #[error("cluster {cluster} has no partition `{name}`; it has {}", known.join(", "))]
    NoPartition {
        /// The cluster.
        cluster: String,
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Some arrays were submitted, and one was not.
    #[error("{done} of {arrays} arrays are submitted, as jobs {}, and their slots do all runs; the next one was not: {problem}", jobs.join(", "))]
    InPart {
        /// Arrays that were.
        done: usize,
        /// Arrays in all.
        arrays: usize,
        /// The jobs that were submitted.
        jobs: Vec<String>,
        /// Why the next one was not.
        problem: String,
    },
    /// All slots were submitted, and the job that writes the report was not.
    #[error(
        "all slots are submitted, as jobs {}, and make the runs; the job that writes the report was not: {problem}. \
         `titer report {}` writes it once they have ended", jobs.join(", "), sweep.display()
    )]
    NoReport {
        /// The jobs that were submitted.
        jobs: Vec<String>,
        /// The sweep's folder.
        sweep: PathBuf,
        /// Why the report's was not.
        problem: String,
    },
    /// A value that no batch script can hold.
    #[error("{0}")]
    Value(String),
    /// A file or a command could not be used.
    #[error(transparent)]
    Io(#[from] io::Error),
}
