//! The folder of one run.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::table::{self, Labels, Record, TableError};

/// A run's folder, open for its one writer.
#[derive(Clone, Debug)]
pub struct RunDir {
    path: PathBuf,
    labels: Labels,
}

impl RunDir {
    const DONE: &str = "done";

    /// A fresh folder with the plan in it; what an interrupted run left there is removed.
    pub(super) fn start(path: PathBuf, plan: &str, labels: Labels) -> io::Result<Self> {
        if path.exists() {
            fs_err::remove_dir_all(&path)?;
        }
        fs_err::create_dir_all(&path)?;
        write_whole(&path.join("plan.toml"), plan.as_bytes())?;
        Ok(Self { path, labels })
    }

    /// Whether a run's folder holds a finished run.
    pub(super) fn is_done(path: &Path) -> bool {
        path.join(Self::DONE).exists()
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
    pub fn event(&self, name: &str, details: Value) -> io::Result<()> {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        let mut event = json!({ "unix_seconds": seconds, "event": name });
        if let (Some(event), Value::Object(details)) = (event.as_object_mut(), details) {
            event.extend(details);
        }
        let mut file = fs_err::OpenOptions::new().append(true).create(true).open(self.path("events.jsonl"))?;
        writeln!(file, "{event}")
    }

    /// Marks the run as finished.
    pub(crate) fn finish(&self) -> io::Result<()> {
        write_whole(&self.path(Self::DONE), b"")
    }
}

/// Writes a file whole or not at all.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    fs_err::write(&temporary, bytes)?;
    fs_err::rename(temporary, path)
}
