//! The folder of a run that is being made.

use std::{io, path::PathBuf};

use serde_json::Value;

use super::{Beginnings, StoredPlan, done, events};
use crate::{
    files,
    plan::RunPlan,
    table::{self, Labels, Record, TableError},
};

/// A run's folder, open for its one writer.
#[derive(Clone, Debug)]
pub struct RunDir {
    path: PathBuf,
    labels: Labels,
}

impl RunDir {
    /// The file of the rows whose replies the run's model wrote, as chats.
    pub const DRAWN: &str = "drawn.jsonl";

    /// A fresh folder with the plan in it; what an interrupted run left there is removed.
    pub(super) fn start(path: PathBuf, plan: &RunPlan, labels: Labels) -> io::Result<Self> {
        if path.exists() {
            fs_err::remove_dir_all(&path)?;
        }
        fs_err::create_dir_all(&path)?;
        files::sync_folder(path.parent())?;
        files::write_whole(&path.join(StoredPlan::FILE), StoredPlan::text(plan).as_bytes())?;
        Ok(Self { path, labels })
    }

    /// Where a file of this run belongs.
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes one of the run's tables, with the run, its arm, its seed and the swept axes as columns in front.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn write<R: Record>(&self, rows: &[R]) -> Result<(), TableError> {
        table::write_labelled(&self.path(R::FILE), &self.labels, rows)
    }

    /// Appends an event, with the time: the only file of a run that holds one.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn event(&self, name: &str, details: Value) -> io::Result<()> {
        events::append(&self.path, name, details)
    }

    /// What unfinished runs of the sweep go on from.
    pub fn beginnings(&self) -> Beginnings {
        Beginnings::of(self.path.parent().expect("a run's folder is in its sweep's"))
    }

    /// Marks the run as finished, with the hashes of its files.
    pub(crate) fn finish(&self) -> io::Result<()> {
        done::write(&self.path)
    }
}
