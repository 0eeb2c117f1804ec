//! Why a sweep's folder cannot be used.

use std::{io, path::PathBuf};

use super::FormatError;
use crate::spec::SpecError;

/// Why a sweep's folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder holds something else.
    #[error("{0} holds something that titer did not write; choose another folder with --out")]
    Foreign(PathBuf),
    /// Another process writes there.
    #[error(
        "another titer is writing to {}: {by}. Wait for it, or choose another folder with --out", dir.display()
    )]
    Locked {
        /// The sweep's folder.
        dir: PathBuf,
        /// Who, and since when nothing was heard of it.
        by: String,
    },
    /// Another process or job makes a run of it.
    #[error("{by} is writing to {}; wait for it or cancel it, or choose another folder with --out", dir.display())]
    Taken {
        /// The sweep's folder.
        dir: PathBuf,
        /// Who.
        by: String,
    },
    /// A cluster has been given the sweep, and this is another one.
    #[error(
        "{} was submitted to cluster {cluster}, and this is {ours}: neither sees the other's queue, so both would make the same \
         runs. Choose another folder with --out; or, where nothing of it waits or runs on {cluster} any more, delete {}",
        dir.display(),
        dir.join("slots").display()
    )]
    TwoClusters {
        /// The sweep's folder.
        dir: PathBuf,
        /// The cluster that it was submitted to.
        cluster: String,
        /// Where this titer is.
        ours: String,
    },
    /// Nobody has said what slots are to do.
    #[error("{} has nothing for slots to do: `titer run SPEC --on slurm --out {}` submits it", .0.display(), .0.display())]
    NotSubmitted(PathBuf),
    /// There is no sweep.
    #[error("{0} holds no sweep: there is no sweep.toml; name the folder that `titer run` wrote")]
    NoSweep(PathBuf),
    /// `sweep.toml` does not say what it should; the problem names it, with the line.
    #[error(
        "{0}; if titer wrote the file, delete it and run the spec into this folder again: finished runs are not made again"
    )]
    Broken(String),
    /// A file is of a format that this titer does not read.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A finished run is not as it was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The spec that a sweep is to keep cannot be read.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A file could not be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A finished run that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{problem}; delete {} and run the same command again, or add --repair to it: it makes this run alone again",
    dir.display()
)]
pub struct Damage {
    /// The run's folder.
    pub dir: PathBuf,
    /// What is wrong, with the file.
    pub problem: String,
}
