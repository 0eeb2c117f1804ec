//! `drawn.jsonl` of a run: the rows whose replies its model wrote, as chats, for people and for `titer score` to read.

use serde_json::json;
use titer::{files::write_whole, store::RunDir};
use titer_data::{chat::Row, formats::chat_line};

use super::TrainError;

/// Its name in a run's folder.
const FILE: &str = "drawn.jsonl";

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
        write_whole(&dir.path(FILE), self.0.as_bytes())?;
        let replies: std::collections::BTreeSet<&str> = rows.iter().map(|row| row.split().1).collect();
        let told =
            json!({ "stage": stage, "rows": rows.len(), "different_replies": replies.len(), "drawn_again": again });
        Ok(dir.event("drawn", told)?)
    }
}
