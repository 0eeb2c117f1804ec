//! How a file of judgements is read, as arguments say it.

use titer_data::score::JudgementColumns;

use crate::args::VerdictArgs;

impl VerdictArgs {
    /// The columns of judgements whose rows are told apart by `key`.
    pub fn columns(&self, key: Vec<String>) -> JudgementColumns {
        JudgementColumns {
            key,
            score: self.score_column.clone(),
            scale: self.scale.unwrap_or_default(),
            words: self.words.iter().cloned().collect(),
        }
    }
}
