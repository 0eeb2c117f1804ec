//! The folder of a run that is being made.

use std::{
    collections::BTreeSet,
    io,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use serde_json::Value;

use super::{Beginnings, StoredPlan, done, events};
use crate::{
    files,
    plan::RunPlan,
    table::{self, Labels, Record, TableError},
};

/// A run's folder, open for its one writer.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    labels: Labels,
    /// What was written, by name: all of it must be there in the end.
    written: Mutex<BTreeSet<String>>,
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
        let run = Self { path, labels, written: Mutex::default() };
        run.wrote(StoredPlan::FILE);
        Ok(run)
    }

    /// Where a file of this run belongs.
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Says that a file of this run has been written, or a folder with all that is in it, by its name: where it is gone in the end, the run is
    /// not finished.
    pub fn wrote(&self, name: &str) {
        let (path, mut names) = (self.path.join(name), Vec::new());
        // A folder that cannot be listed must be there by its own name.
        if !path.is_dir() || done::list(&path, &format!("{name}/"), &mut names).is_err() || names.is_empty() {
            names = vec![name.to_owned()];
        }
        self.written.lock().unwrap_or_else(PoisonError::into_inner).extend(names);
    }

    /// Writes one of the run's tables, with the run, its arm, its seed and the swept axes as columns in front.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn write<R: Record>(&self, rows: &[R]) -> Result<(), TableError> {
        table::write_labelled(&self.path(R::FILE), &self.labels, rows)?;
        self.wrote(R::FILE);
        Ok(())
    }

    /// Appends an event, with the time: the only file of a run that holds one.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn event(&self, name: &str, details: Value) -> io::Result<()> {
        events::append(&self.path, name, details)?;
        self.wrote(events::FILE);
        Ok(())
    }

    /// What unfinished runs of the sweep go on from.
    pub fn beginnings(&self) -> Beginnings {
        Beginnings::of(self.path.parent().expect("a run's folder is in its sweep's"))
    }

    /// Marks the run as finished, with the hashes of its files. All that was written must be there.
    pub(crate) fn finish(&self) -> io::Result<()> {
        done::write(&self.path, &self.written.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
