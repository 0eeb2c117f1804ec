//! `drawn.jsonl` of a run: the rows whose replies its model wrote, as chats, for people and for `titer score` to read.

use std::{io, path::Path};

use serde_json::json;
use titer::{files::write_whole, store::RunDir};
use titer_data::{chat::Row, formats::chat_line};

use super::TrainError;

/// What is in it so far.
#[derive(Debug, Default)]
pub(super) struct DrawnFile(String);

impl DrawnFile {
    /// Adds the rows of a stage, where there are any, and tells the run's events of them. `again` of the replies were drawn more than
    /// once.
    pub(super) fn add(&mut self, dir: &RunDir, stage: &str, rows: &[Row], again: usize) -> Result<(), TrainError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.0.extend(rows.iter().map(|row| chat_line(row) + "\n"));
        self.put(dir)?;
        let replies: std::collections::BTreeSet<&str> = rows.iter().map(|row| row.split().1).collect();
        let told =
            json!({ "stage": stage, "rows": rows.len(), "different_replies": replies.len(), "drawn_again": again });
        Ok(dir.event("drawn", told)?)
    }

    /// Writes it into the run's folder, where anything is in it.
    pub(super) fn put(&self, dir: &RunDir) -> io::Result<()> {
        self.save(&dir.path(""))?;
        if !self.0.is_empty() {
            dir.wrote(RunDir::DRAWN);
        }
        Ok(())
    }

    /// Writes it into a folder, where anything is in it.
    pub(super) fn save(&self, folder: &Path) -> io::Result<()> {
        if self.0.is_empty() { Ok(()) } else { write_whole(&folder.join(RunDir::DRAWN), self.0.as_bytes()) }
    }

    /// Reads it from a folder; it is empty where there is none.
    pub(super) fn load(folder: &Path) -> io::Result<Self> {
        let path = folder.join(RunDir::DRAWN);
        Ok(Self(if path.exists() { fs_err::read_to_string(path)? } else { String::new() }))
    }
}
