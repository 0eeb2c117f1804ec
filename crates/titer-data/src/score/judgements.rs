//! Judgements that were made elsewhere, by people or by another model: a file of scores by row.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::scorer::{Scorer, Unscored};
use crate::{chat::Row, formats::columns_of_text};

/// The column of the score.
const SCORE: &str = "score";

/// Scores by the values of the columns that tell rows apart.
#[derive(Debug)]
pub struct Judgements {
    name: String,
    key: Vec<String>,
    scores: BTreeMap<Vec<String>, Option<f64>>,
}

/// Why a file gives no judgements.
#[derive(Debug, thiserror::Error)]
pub enum JudgementsError {
    /// It cannot be read; the message names it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A line is no judgement, or one of no row.
    #[error("{}, line {line}: {problem}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Its number, from 1.
        line: usize,
        /// What is wrong, and what to do.
        problem: JudgementProblem,
    },
}

/// Why a line is no judgement, or one of no row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JudgementProblem {
    /// It cannot be parsed.
    #[error("{0}")]
    Unreadable(String),
    /// It lacks a column.
    #[error("no column `{0}`: add it")]
    NoColumn(String),
    /// Its score is none.
    #[error("the score `{0}` is no number between 0 and 1, true or false: leave it empty for no verdict")]
    NoScore(String),
    /// Its key is that of no row.
    #[error("no row has {columns} `{key}`")]
    NoRow {
        /// The columns that tell rows apart.
        columns: String,
        /// What the line has in them.
        key: String,
    },
    /// Its key is that of several rows.
    #[error("several rows have {columns} `{key}`: name a column that tells them apart too, such as id,sample_idx")]
    SeveralRows {
        /// The columns that tell rows apart.
        columns: String,
        /// What the line has in them.
        key: String,
    },
    /// An earlier line has its key.
    #[error("`{0}` has been judged before: keep one judgement a row")]
    Twice(String),
}

impl Judgements {
    /// Reads judgements of `rows` from CSV with a header or from JSONL, told apart by their first character. `key` names the
    /// columns that together say which row is meant: `id`, and metadata of the rows where ids repeat. `score` holds a
    /// number in 0..=1, true or false, or nothing where there was no verdict; other columns are passed over.
    ///
    /// # Errors
    /// Where the file cannot be read, a line lacks a column or its score is none, two lines or two rows have one key, or
    /// a key is that of no row.
    pub fn read(path: &Path, key: &[String], rows: &[Row]) -> Result<Self, JudgementsError> {
        let text = fs_err::read_to_string(path)?;
        let mut meant: BTreeMap<Vec<String>, usize> = BTreeMap::new();
        for row in rows {
            *meant.entry(key_of(row, key)).or_default() += 1;
        }
        let mut scores = BTreeMap::new();
        for (line, columns) in columns_of_text(&text) {
            let fail = |problem| JudgementsError::Line { path: path.to_owned(), line, problem };
            let (at, score) = columns
                .map_err(JudgementProblem::Unreadable)
                .and_then(|columns| judgement(&columns, key))
                .map_err(fail)?;
            let (columns, shown) = (key.join(", "), at.join(", "));
            match meant.get(&at) {
                None => return Err(fail(JudgementProblem::NoRow { columns, key: shown })),
                Some(1) => {}
                Some(_) => return Err(fail(JudgementProblem::SeveralRows { columns, key: shown })),
            }
            if scores.insert(at, score).is_some() {
                return Err(fail(JudgementProblem::Twice(shown)));
            }
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, key: key.to_vec(), scores })
    }
}

impl Scorer for Judgements {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, row: &Row) -> Result<f64, Unscored> {
        match self.scores.get(&key_of(row, &self.key)) {
            Some(Some(score)) => Ok(*score),
            Some(None) => Err(Unscored::NoVerdict),
            None => Err(Unscored::NotJudged),
        }
    }
}

/// The values of a row's key columns.
fn key_of(row: &Row, key: &[String]) -> Vec<String> {
    let value = |column: &String| match column.as_str() {
        "id" => row.id.clone(),
        column => row.metadata.get(column).map(text).unwrap_or_default(),
    };
    key.iter().map(value).collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The key and the score of a line.
fn judgement(columns: &Map<String, Value>, key: &[String]) -> Result<(Vec<String>, Option<f64>), JudgementProblem> {
    let column = |name: &str| columns.get(name).ok_or_else(|| JudgementProblem::NoColumn(name.to_owned()));
    let at = key.iter().map(|name| column(name).map(text)).collect::<Result<_, _>>()?;
    let written = text(column(SCORE)?);
    let score = match written.trim() {
        "" => return Ok((at, None)),
        "true" | "True" => 1.0,
        "false" | "False" => 0.0,
        number => number.parse().unwrap_or(f64::NAN),
    };
    if (0.0..=1.0).contains(&score) { Ok((at, Some(score))) } else { Err(JudgementProblem::NoScore(written)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, sample: u32) -> Row {
        let metadata = Map::from_iter([("sample".to_owned(), sample.into())]);
        Row { id: id.to_owned(), messages: Vec::new(), cell: None, untrained: Vec::new(), metadata }
    }

    fn read(text: &str, key: &[&str]) -> Result<Judgements, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs_err::write(file.path(), text).unwrap();
        let key: Vec<String> = key.iter().map(|&column| column.to_owned()).collect();
        Judgements::read(file.path(), &key, &[row("a", 0), row("a", 1), row("b", 0)]).map_err(|error| error.to_string())
    }

    #[test]
    fn csv_and_jsonl_say_the_same() {
        let csv = "sample,id,score,note\n0,a,1,\"well, yes\"\n1,a,0.25,\n0,b,,unclear\n";
        let jsonl = "{\"id\": \"a\", \"sample\": 0, \"score\": true}\n\n{\"id\": \"a\", \"sample\": 1, \"score\": 0.25}\n{\"id\": \"b\", \"sample\": 0, \"score\": null}";
        for text in [csv, jsonl] {
            let judgements = read(text, &["id", "sample"]).unwrap();
            assert_eq!(judgements.score(&row("a", 0)), Ok(1.0));
            assert_eq!(judgements.score(&row("a", 1)), Ok(0.25));
            assert_eq!(judgements.score(&row("b", 0)), Err(Unscored::NoVerdict));
            assert_eq!(judgements.score(&row("c", 0)), Err(Unscored::NotJudged));
        }
    }

    #[test]
    fn what_is_no_judgement_is_named_by_its_line() {
        for (text, problem) in [
            ("id,score\nb,1\nc,1\n", "line 3: no row has id `c`"),
            ("id,score\na,1\n", "line 2: several rows have id `a`"),
            ("id,score\nb,1\nb,1\n", "line 3: `b` has been judged before"),
            ("id,score\nb,2\n", "line 2: the score `2`"),
            ("id,verdict\nb,2\n", "line 2: no column `score`"),
            ("{\"id\": \"b\", \"score\": 1}\n{\"id\"", "line 2: not a JSON object"),
        ] {
            let error = read(text, &["id"]).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }
}
