//! How rows are written for another trainer.

use serde::{Deserialize, Serialize};

/// How the rows of a file are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowForm {
    /// Chats cut into `prompt` and `completion`, of which the trainer trains the second.
    PromptCompletion,
    /// Token ids with a mask: where the trainer would train other tokens of a chat than titer does.
    Tokens,
    /// Whole chats as `messages`.
    Messages,
}

/// What a trainer must know of the rows of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// How many there are.
    pub rows: usize,
    /// Tokens that carry loss, of all rows.
    pub trained: usize,
    /// Tokens of the longest row.
    pub longest: usize,
}

impl RowCounts {
    /// Mean tokens of a row that carry loss.
    pub fn mean_trained(&self) -> f64 {
        self.trained as f64 / self.rows.max(1) as f64
    }
}
