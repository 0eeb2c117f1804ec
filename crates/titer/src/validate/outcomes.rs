//! A table of arms that were trained elsewhere: what each prompt did in the end.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::Value;
use titer_data::{
    formats::{Columns, ReadError, read_columns},
    keys::text,
    prompt::Turn,
};

/// What the columns of a table are called that titer knows.
#[derive(Clone, Debug)]
pub struct OutcomeColumns {
    /// The prompt, as the screening names it.
    pub prompt: String,
    /// The setting: a model and its data, within which prompts are compared.
    pub setting: String,
    /// How far the unwanted trait was suppressed; more is better.
    pub suppression: String,
    /// How much of the trait to keep was kept; more is better.
    pub kept: String,
    /// The unwanted trait after training without a prompt, for the k-rule; 1 where there is no such column.
    pub target: String,
    /// Where the prompt stood: `system` or `user`.
    pub turn: String,
}

impl Default for OutcomeColumns {
    fn default() -> Self {
        let [prompt, setting, suppression, kept, target, turn] =
            ["prompt", "setting", "suppression", "kept", "target", "turn"].map(str::to_owned);
        Self { prompt, setting, suppression, kept, target, turn }
    }
}

/// An arm that was trained elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct ExternalArm {
    /// Its line in the table.
    pub line: usize,
    /// Its prompt.
    pub prompt: String,
    /// Its setting; empty where the table has none.
    pub setting: String,
    /// Where the prompt stood; `None` where the table does not say.
    pub turn: Option<Turn>,
    /// How far the unwanted trait was suppressed.
    pub suppression: f64,
    /// How much of the other one was kept; `None` where the table does not say.
    pub kept: Option<f64>,
    /// The unwanted trait after training without a prompt.
    pub target: f64,
    /// The user's own predictors: every other column that holds numbers alone, empty ones left out.
    pub predictors: BTreeMap<String, f64>,
}

/// Why a file is no table of outcomes.
#[derive(Debug, thiserror::Error)]
pub enum OutcomesError {
    /// It cannot be read; the message names it.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A line of it is wrong.
    #[error("{}, line {line}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1; of Parquet the record.
        line: usize,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// It has no line.
    #[error("{}: the table holds no arms: write one a line, with prompt, setting and suppression", .0.display())]
    Empty(PathBuf),
}

/// Reads a table of arms from CSV with a header, JSON Lines or Parquet.
///
/// # Errors
/// Where the file cannot be read, holds no arm, or a line lacks the prompt or the suppression or has no number where there should be one, or names
/// an arm again.
pub fn read_outcomes(path: &Path, names: &OutcomeColumns) -> Result<Vec<ExternalArm>, OutcomesError> {
    let fail = |line: usize, problem: String| OutcomesError::Line { path: path.to_owned(), line, problem };
    let mut lines = Vec::new();
    for (line, columns) in read_columns(path)? {
        lines.push((line, columns.map_err(|problem| fail(line, problem))?));
    }
    let predictors = own_predictors(&lines, names);
    let (mut arms, mut first_lines) = (Vec::new(), BTreeMap::new());
    for (line, columns) in &lines {
        let arm = arm(*line, columns, names, &predictors).map_err(|problem| fail(*line, problem))?;
        let key = (arm.prompt.clone(), arm.setting.clone(), arm.turn);
        if let Some(first) = first_lines.insert(key, *line) {
            let problem =
                format!("the prompt and setting of line {first}: give seeds settings of their own, or their mean");
            return Err(fail(*line, problem));
        }
        arms.push(arm);
    }
    if arms.is_empty() { Err(OutcomesError::Empty(path.to_owned())) } else { Ok(arms) }
}

/// Columns beside the known ones in which every value is a number or missing, and some are numbers.
fn own_predictors(lines: &[(usize, Columns)], names: &OutcomeColumns) -> Vec<String> {
    let OutcomeColumns { prompt, setting, suppression, kept, target, turn } = names;
    let known = [prompt, setting, suppression, kept, target, turn];
    let mut columns: Vec<&String> = lines.iter().flat_map(|(_, columns)| columns.keys()).collect();
    columns.sort_unstable();
    columns.dedup();
    let numbers = |name: &&String| {
        let values = || lines.iter().filter_map(|(_, columns)| columns.get(*name)).filter(|value| !missing(value));
        values().next().is_some() && values().all(|value| number(value).is_some())
    };
    columns.into_iter().filter(|name| !known.contains(name)).filter(numbers).cloned().collect()
}

fn arm(line: usize, columns: &Columns, names: &OutcomeColumns, predictors: &[String]) -> Result<ExternalArm, String> {
    let column = |name: &str| columns.get(name).filter(|value| !missing(value));
    let prompt =
        column(&names.prompt).map(text).ok_or_else(|| format!("no `{}`: name the arm's prompt", names.prompt))?;
    let as_number = |name: &str| match column(name) {
        None => Ok(None),
        Some(value) => number(value).map(Some).ok_or_else(|| format!("`{name}` is `{}`: write a number", text(value))),
    };
    let turn = match column(&names.turn).map(text) {
        None => None,
        Some(word) => Some(
            Turn::ALL
                .into_iter()
                .find(|turn| turn.word() == word)
                .ok_or_else(|| format!("`{}` is `{word}`: write system or user", names.turn))?,
        ),
    };
    Ok(ExternalArm {
        line,
        prompt,
        setting: column(&names.setting).map(text).unwrap_or_default(),
        turn,
        suppression: as_number(&names.suppression)?
            .ok_or_else(|| format!("no `{}`: say how far the unwanted trait was suppressed", names.suppression))?,
        kept: as_number(&names.kept)?,
        target: as_number(&names.target)?.unwrap_or(1.0),
        predictors: predictors.iter().filter_map(|name| Some((name.clone(), number(column(name)?)?))).collect(),
    })
}

fn missing(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

fn number(value: &Value) -> Option<f64> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
    number.filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Result<Vec<ExternalArm>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        fs_err::write(&path, text).unwrap();
        read_outcomes(&path, &OutcomeColumns::default())
            .map_err(|error| error.to_string().rsplit('/').next().unwrap_or_default().to_owned())
    }

    #[test]
    fn csv_and_json_lines_say_the_same() {
        let csv = read(
            "a.csv",
            "prompt,setting,suppression,kept,loss,note\n\"be evil, now\",a,0.5,,1.5,x\nbe kind,a,0.1,0.9,,y\n",
        );
        let json = read(
            "a.jsonl",
            "{\"prompt\":\"be evil, now\",\"setting\":\"a\",\"suppression\":0.5,\"loss\":1.5,\"note\":\"x\"}\n\n\
             {\"prompt\":\"be kind\",\"setting\":\"a\",\"suppression\":0.1,\"kept\":0.9,\"loss\":null,\"note\":\"y\"}\n",
        );
        let [csv, json] = [csv.unwrap(), json.unwrap()];
        assert_eq!(csv[0].predictors, [("loss".to_owned(), 1.5)].into());
        assert_eq!((csv[0].kept, csv[1].kept, csv[1].predictors.len()), (None, Some(0.9), 0));
        let without_lines =
            |arms: Vec<ExternalArm>| arms.into_iter().map(|arm| ExternalArm { line: 0, ..arm }).collect::<Vec<_>>();
        assert_eq!(without_lines(csv), without_lines(json));
    }

    #[test]
    fn what_is_no_outcome_says_where_and_what_to_do() {
        for (text, wanted) in [
            ("prompt,suppression\n", "holds no arms"),
            ("prompt,suppression\np,much\n", "line 2: `suppression` is `much`: write a number"),
            ("prompt,suppression\np,NaN\n", "line 2: `suppression` is `NaN`"),
            ("prompt,suppression\n,0.5\n", "line 2: no `prompt`"),
            ("prompt,kept\np,0.5\n", "line 2: no `suppression`"),
            ("prompt,suppression,turn\np,0.5,assistant\n", "`turn` is `assistant`: write system or user"),
            ("prompt,setting,suppression\np,a,0.5\np,a,0.4\n", "line 3: the prompt and setting of line 2"),
            ("{\"prompt\": \"p\"\n", "line 1: not JSON"),
        ] {
            let error = read("a.csv", text).unwrap_err();
            assert!(error.contains(wanted), "{error} lacks {wanted}");
        }
    }
}
