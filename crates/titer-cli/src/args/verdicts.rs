//! How scores of judgements are written.

use std::collections::BTreeMap;

use titer_data::score::{JudgementColumns, ScoreScale};

use crate::printer::Failure;

/// How scores of judgements are written.
#[derive(Debug, clap::Args)]
pub(crate) struct VerdictArgs {
    /// The judgements' column that holds the score
    #[arg(long, value_name = "COLUMN", default_value = "score", requires = "judgements", hide_default_value = true)]
    pub score_column: String,
    /// The numbers that stand for 0 and for 1, such as 0:100, or 100:0 where low numbers show the behaviour [default: 0:1]
    #[arg(long, value_name = "ZERO:ONE", requires = "judgements", allow_hyphen_values = true)]
    pub scale: Option<ScoreScale>,
    /// Words in place of numbers with what they stand for, such as C=1,I=0; a word alone is no verdict, such as REFUSAL
    #[arg(long, value_delimiter = ',', value_name = "WORD=SCORE,…", value_parser = verdict_word, requires = "judgements")]
    pub words: Vec<(String, Option<f64>)>,
}

impl VerdictArgs {
    /// The columns of judgements whose rows are told apart by `key`.
    ///
    /// # Errors
    /// Where a word stands for two things.
    pub(crate) fn columns(&self, key: Vec<String>) -> Result<JudgementColumns, Failure> {
        let mut words = BTreeMap::new();
        for (word, score) in &self.words {
            if words.insert(word.clone(), *score).is_some() {
                return Err(Failure::Input(format!("--words: `{word}` is named twice: say once what it stands for")));
            }
        }
        Ok(JudgementColumns { key, score: self.score_column.clone(), scale: self.scale.unwrap_or_default(), words })
    }
}

/// A word, and the score that it stands for where it is a verdict.
fn verdict_word(text: &str) -> Result<(String, Option<f64>), String> {
    let Some((word, score)) = text.split_once('=') else { return Ok((text.trim().to_owned(), None)) };
    match score.trim().parse::<f64>() {
        Ok(score) if (0.0..=1.0).contains(&score) => Ok((word.trim().to_owned(), Some(score))),
        _ => Err(format!("`{score}` is no score between 0 and 1")),
    }
}
