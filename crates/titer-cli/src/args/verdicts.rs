//! How scores of judgements are written.

use std::{collections::BTreeMap, str::FromStr};

use titer_data::score::{JudgementColumns, ScoreScale};

use super::listed::Listed;
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
    /// Words in place of numbers with what they stand for, such as C=1,I=0; a word alone is no verdict, such as REFUSAL; `\,` is a
    /// comma in a word
    #[arg(long, value_name = "WORD=SCORE,…", requires = "judgements")]
    pub words: Vec<VerdictWords>,
}

impl VerdictArgs {
    /// The columns of judgements whose rows are told apart by `key`.
    ///
    /// # Errors
    /// Where a word stands for two things.
    pub(crate) fn columns(&self, key: Vec<String>) -> Result<JudgementColumns, Failure> {
        let mut words = BTreeMap::new();
        for (word, score) in self.words.iter().flat_map(|words| &words.0) {
            if words.insert(word.clone(), *score).is_some() {
                return Err(Failure::Input(format!("--words: `{word}` is named twice: say once what it stands for")));
            }
        }
        Ok(JudgementColumns { key, score: self.score_column.clone(), scale: self.scale.unwrap_or_default(), words })
    }
}

/// Words with what they stand for.
#[derive(Clone, Debug)]
pub(crate) struct VerdictWords(Vec<(String, Option<f64>)>);

impl FromStr for VerdictWords {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Ok(listed) = text.parse();
        Listed::texts(&[listed]).map(|word| verdict_word(word)).collect::<Result<_, _>>().map(Self)
    }
}

/// A word, and the score that it stands for where it is a verdict.
fn verdict_word(text: &str) -> Result<(String, Option<f64>), String> {
    let Some((word, score)) = text.rsplit_once('=') else { return Ok((text.trim().to_owned(), None)) };
    match score.trim().parse::<f64>() {
        Ok(score) if (0.0..=1.0).contains(&score) => Ok((word.trim().to_owned(), Some(score))),
        _ => Err(format!("`{score}` is no score between 0 and 1")),
    }
}
