//! Judgements that were made elsewhere, by people or by another model: a file of scores by row.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{
    scale::ScoreScale,
    scorer::{Scorer, Unscored},
};
use crate::{
    chat::Row,
    formats::{ContainerError, Entry, Problem, is_rounded, read_data, records},
    keys::{text, value},
};

/// How a file of judgements is to be read.
#[derive(Clone, Debug)]
pub struct JudgementColumns {
    /// The columns that together say which row is meant: `id`, and metadata of the rows where ids repeat.
    pub key: Vec<String>,
    /// The column of the score.
    pub score: String,
    /// What its numbers mean.
    pub scale: ScoreScale,
    /// Words in place of numbers, each with the score that it stands for; `None` is no verdict.
    pub words: BTreeMap<String, Option<f64>>,
}

impl Default for JudgementColumns {
    fn default() -> Self {
        let (key, score) = (vec!["id".to_owned()], "score".to_owned());
        Self { key, score, scale: ScoreScale::default(), words: BTreeMap::new() }
    }
}

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
    /// It holds no entries that could be read one by one.
    #[error("{}: {problem}", path.display())]
    Container {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: ContainerError,
    },
    /// None of its lines has a score.
    #[error("{}: nothing is judged: none of {lines} lines has a score in `{column}`", path.display())]
    Nothing {
        /// Which file.
        path: PathBuf,
        /// How many lines it has.
        lines: usize,
        /// The column of the score.
        column: String,
    },
    /// A line is no judgement, or one of no row.
    #[error("{}, {unit} {line}: {problem}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// What is counted: `line`, or `row` where the file has no lines of its own.
        unit: &'static str,
        /// Its number, from 1.
        line: usize,
        /// What is wrong, and what to do.
        problem: JudgementProblem,
    },
}

/// Why a line is no judgement, or one of no row.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum JudgementProblem {
    /// It cannot be parsed.
    #[error("{0}")]
    Unreadable(String),
    /// It lacks a column of the key.
    #[error("no column `{column}`: name the columns that say which row is meant (--key); there are {}", has.join(", "))]
    NoKey {
        /// The column.
        column: String,
        /// Those that there are.
        has: Vec<String>,
    },
    /// It lacks the column of the score.
    #[error("no column `{column}`: name the one that holds the score (--score-column); there are {}", has.join(", "))]
    NoScoreColumn {
        /// The column.
        column: String,
        /// Those that there are.
        has: Vec<String>,
    },
    /// Its score is none.
    #[error(
        "the score `{written}` is no number {scale}, true or false: say what numbers mean (--scale), or what a word stands for \
         (--words)"
    )]
    NoScore {
        /// What it has.
        written: String,
        /// What numbers mean.
        scale: ScoreScale,
    },
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
    /// Reads judgements of `rows` from CSV with a line of names, or from any other container of records. The score is a number
    /// on the scale, true or false, one of the words, or nothing where there was no verdict; other columns are passed over.
    ///
    /// # Errors
    /// Where the file cannot be read, a line lacks a column or its score is none, two lines or two rows have one key, a key
    /// is that of no row, and where no line has a score.
    pub fn read(path: &Path, columns: &JudgementColumns, rows: &[Row]) -> Result<Self, JudgementsError> {
        Self::parse(path, &read_data(path)?, columns, rows)
    }

    /// The same of a file whose bytes have been read; errors name it by `path`.
    ///
    /// # Errors
    /// As [`Judgements::read`].
    pub fn parse(
        path: &Path,
        bytes: &Bytes,
        columns: &JudgementColumns,
        rows: &[Row],
    ) -> Result<Self, JudgementsError> {
        let container = |problem| JudgementsError::Container { path: path.to_owned(), problem };
        let lines = records(path, bytes).map_err(container)?;
        let mut meant: BTreeMap<Vec<String>, usize> = BTreeMap::new();
        for row in rows {
            *meant.entry(key_of(row, &columns.key)).or_default() += 1;
        }
        let (mut scores, count) = (BTreeMap::new(), lines.len());
        for Entry { unit, number: line, value } in lines {
            let fail = |problem| JudgementsError::Line { path: path.to_owned(), unit, line, problem };
            let (mut key, score) = judgement(value, columns).map_err(fail)?;
            if !meant.contains_key(&key) {
                key = key.iter().map(|value| without_fraction(value)).collect();
            }
            let named = || (columns.key.join(", "), key.join(", "));
            match meant.get(&key) {
                None => {
                    let (columns, key) = named();
                    return Err(fail(JudgementProblem::NoRow { columns, key }));
                }
                Some(1) => {}
                Some(_) => {
                    let (columns, key) = named();
                    return Err(fail(JudgementProblem::SeveralRows { columns, key }));
                }
            }
            let shown = key.join(", ");
            if scores.insert(key, score).is_some() {
                return Err(fail(JudgementProblem::Twice(shown)));
            }
        }
        if scores.values().all(Option::is_none) {
            let column = columns.score.clone();
            return Err(JudgementsError::Nothing { path: path.to_owned(), lines: count, column });
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, key: columns.key.clone(), scores })
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
    key.iter().map(|column| value(row, column)).collect()
}

/// A whole number as it is written without the fraction that programs give columns with gaps: `7` for `7.0`.
fn without_fraction(value: &str) -> String {
    value.strip_suffix(".0").filter(|whole| whole.parse::<i64>().is_ok()).unwrap_or(value).to_owned()
}

/// The key and the score of a line.
fn judgement(
    line: Result<Value, Problem>,
    columns: &JudgementColumns,
) -> Result<(Vec<String>, Option<f64>), JudgementProblem> {
    let line: Map<String, Value> = match line {
        Ok(Value::Object(line)) => line,
        Ok(other) => return Err(JudgementProblem::Unreadable(format!("not a JSON object: {other}"))),
        Err(problem) => return Err(JudgementProblem::Unreadable(format!("{}: {}", problem.problem, problem.remedy))),
    };
    let has = || line.keys().map(|name| format!("`{name}`")).collect();
    let key = |column: &String| match line.get(column) {
        Some(Value::Number(number)) if is_rounded(number) => {
            let problem = format!("`{column}` is {number}, a number whose last digits are not kept: write it as text");
            Err(JudgementProblem::Unreadable(problem))
        }
        Some(value) => Ok(text(value)),
        None => Err(JudgementProblem::NoKey { column: column.clone(), has: has() }),
    };
    let key = columns.key.iter().map(key).collect::<Result<_, _>>()?;
    let Some(score) = line.get(&columns.score) else {
        return Err(JudgementProblem::NoScoreColumn { column: columns.score.clone(), has: has() });
    };
    let written = text(score);
    let score = match written.trim() {
        "" => None,
        word if columns.words.contains_key(word) => columns.words[word],
        "true" | "True" => Some(1.0),
        "false" | "False" => Some(0.0),
        number => Some(
            columns
                .scale
                .share(number)
                .ok_or_else(|| JudgementProblem::NoScore { written: written.clone(), scale: columns.scale })?,
        ),
    };
    Ok((key, score))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, sample: u32) -> Row {
        let metadata = Map::from_iter([("sample".to_owned(), sample.into())]);
        Row { metadata, ..Row::new(id, Vec::new()) }
    }

    fn read_as(text: &str, columns: &JudgementColumns) -> Result<Judgements, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs_err::write(file.path(), text).unwrap();
        let rows = [row("a", 0), row("a", 1), row("b", 0), row("7", 0)];
        Judgements::read(file.path(), columns, &rows).map_err(|error| error.to_string())
    }

    fn read(text: &str, key: &[&str]) -> Result<Judgements, String> {
        let key = key.iter().map(|&column| column.to_owned()).collect();
        read_as(text, &JudgementColumns { key, ..JudgementColumns::default() })
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
    fn column_scale_and_words_can_be_named() {
        let words = [("C".to_owned(), Some(1.0)), ("REFUSAL".to_owned(), None)].into();
        let columns = JudgementColumns {
            score: "aligned".to_owned(),
            scale: "100:0".parse().unwrap(),
            words,
            ..Default::default()
        };
        let judgements = read_as("id,aligned,coherent\nb,92.5,3\n7.0,REFUSAL,4\n", &columns).unwrap();
        assert_eq!(judgements.score(&row("b", 0)), Ok(0.075));
        assert_eq!(judgements.score(&row("7", 0)), Err(Unscored::NoVerdict));
        let judgements = read_as("[{\"id\": 7, \"aligned\": \"C\"}]", &columns).unwrap();
        assert_eq!(judgements.score(&row("7", 0)), Ok(1.0));
        let error = read_as("id,aligned\nb,101\n", &columns).unwrap_err();
        assert!(error.contains("`101` is no number between 100 and 0"), "{error}");
    }

    #[test]
    fn what_is_no_judgement_is_named_by_its_line() {
        for (text, problem) in [
            ("id,score\nb,1\nc,1\n", "line 3: no row has id `c`"),
            ("id,score\na,1\n", "line 2: several rows have id `a`"),
            ("id,score\nb,1\nb,1\n", "line 3: `b` has been judged before"),
            ("id,score\nb,2\n", "line 2: the score `2`"),
            (
                "id,verdict\nb,2\n",
                "line 2: no column `score`: name the one that holds the score (--score-column); there are `id`, `verdict`",
            ),
            ("name,score\nb,1\n", "line 2: no column `id`"),
            ("{\"id\": \"b\", \"score\": 1}\n{\"id\"", "line 2: not JSON"),
            ("[{\"id\": \"b\", \"score\": 1},", "a JSON list that breaks"),
            ("[]", "nothing is judged"),
            ("[{\"id\": 12345678901234567890123, \"score\": 1}]", "a number whose last digits are not kept"),
            ("id,score\nb,1\na,\"1\n", "line 3: the value that begins with a quotation mark here never ends"),
            ("", "nothing is judged"),
            ("id,score\nb,\n", "nothing is judged: none of 1 lines has a score in `score`"),
            ("id,score\nb,\u{661}\n", "the score `\u{661}` is no number between 0 and 1"),
        ] {
            let error = read(text, &["id"]).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }
}
