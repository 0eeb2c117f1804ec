//! What was measured of runs whose weights are not to be had: a table of rates.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde_json::Value;
use titer_data::{
    formats::{Columns, ReadError, read_columns},
    keys::text,
    nearest::nearest,
    probe::{Component, ProbePrompts},
    world::DomainSplit,
};

use super::{ExportedRun, Manifest};
use crate::{plan::RunId, table::ProbeRecord};

/// The outcomes of every run that a table names.
pub type RunOutcomes = BTreeMap<RunId, Vec<ProbeRecord>>;

/// Why a file is no table of outcomes of runs.
#[derive(Debug, thiserror::Error)]
pub enum RunOutcomesError {
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
    #[error(
        "{}: the table holds no outcomes: write one a line, with arm, seed, component and rate", .0.display()
    )]
    Empty(PathBuf),
}

/// Reads outcomes of the runs of an export from CSV with a header, JSON Lines or Parquet, a line each: `arm`, `seed`, `component` and
/// `rate`, and where they are known `prompts` (seen), `domains` (trained), `item`, `moment` (`start` or `end`), `margin`, `gap`, `other` and
/// `replies`, which the rate was counted from.
///
/// # Errors
/// Where the file cannot be read, holds no outcome, has a column of another name, or a line names no run of the export, lacks something, has no number where there
/// should be one, or says what an earlier one says.
pub fn read_outcomes_of_runs(path: &Path, manifest: &Manifest) -> Result<RunOutcomes, RunOutcomesError> {
    let (mut outcomes, mut said) = (RunOutcomes::new(), BTreeSet::new());
    for (line, columns) in read_columns(path)? {
        let fail = |problem| RunOutcomesError::Line { path: path.to_owned(), line, problem };
        let columns = columns.map_err(fail)?;
        known(&columns).map_err(fail)?;
        let run = run_of(&columns, manifest).map_err(fail)?;
        let record = record(&columns, run).map_err(fail)?;
        let (run, item) = (run.run.clone(), record.item.clone());
        if !said.insert((run.clone(), record.step, record.component, record.prompts, record.domains, item)) {
            return Err(fail(
                "an earlier line says the same: name contrasts or questions in a column `item`".to_owned(),
            ));
        }
        outcomes.entry(run).or_default().push(record);
    }
    if outcomes.is_empty() { Err(RunOutcomesError::Empty(path.to_owned())) } else { Ok(outcomes) }
}

/// Every column that there may be.
const COLUMNS: [&str; 12] =
    ["arm", "seed", "component", "prompts", "domains", "item", "moment", "rate", "other", "margin", "gap", "replies"];

/// Fails where there is a column of another name: what it says would be taken for not said.
fn known(columns: &Columns) -> Result<(), String> {
    let Some(column) = columns.keys().find(|column| !COLUMNS.contains(&column.as_str())) else { return Ok(()) };
    let remedy = match nearest(column, COLUMNS) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("remove it; there may be {}", COLUMNS.join(", ")),
    };
    Err(format!("the column `{column}` is not known: {remedy}"))
}

/// The run that a line is about.
fn run_of<'a>(columns: &Columns, manifest: &'a Manifest) -> Result<&'a ExportedRun, String> {
    let arm = word(columns, "arm").ok_or("no `arm`: name the arm as manifest.toml does")?;
    let seed = seed(columns)?;
    let is_it = |run: &&ExportedRun| run.arms.contains(&arm) && run.seed == seed;
    manifest
        .runs
        .iter()
        .find(is_it)
        .ok_or_else(|| format!("the export has no arm `{arm}` with seed {seed}; manifest.toml names those that it has"))
}

/// A seed, to its last digit; a table in which some seeds are missing may hold the others as `3.0`.
fn seed(columns: &Columns) -> Result<u64, String> {
    let word = word(columns, "seed").ok_or("no `seed`: say which seed the arm was trained with")?;
    let whole = word.trim().trim_end_matches('0').strip_suffix('.').map_or(word.trim(), |whole| whole);
    whole.parse().map_err(|_| format!("`seed` is `{word}`: write a whole number"))
}

fn record(columns: &Columns, run: &ExportedRun) -> Result<ProbeRecord, String> {
    let parsed = |name: &str, usual: &str| word(columns, name).unwrap_or_else(|| usual.to_owned());
    let component = word(columns, "component").ok_or("no `component`: write good, obey_bad or obey")?;
    let component: Component =
        component.parse().map_err(|_| format!("`component` is `{component}`: write good, obey_bad or obey"))?;
    let prompts = parsed("prompts", "seen");
    let prompts: ProbePrompts = prompts.parse().map_err(|_| {
        format!("`prompts` is `{prompts}`: write seen, paraphrased, held-out, or what else a probe has")
    })?;
    let domains = parsed("domains", "trained");
    let domains: DomainSplit =
        domains.parse().map_err(|_| format!("`domains` is `{domains}`: write trained, new, held-out or sloppy"))?;
    let rate = number(columns, "rate")?.ok_or("no `rate`: say how often the component showed, between 0 and 1")?;
    if !(0.0..=1.0).contains(&rate) {
        return Err(format!("`rate` is {rate}: it is a share, between 0 and 1"));
    }
    let other = number(columns, "other")?.unwrap_or(0.0);
    let against = rest(rate, other);
    if other < 0.0 || against < 0.0 {
        return Err(format!("`other` is {other}: it is a share, and with the rate of {rate} at most 1"));
    }
    let margin = match number(columns, "margin")? {
        Some(margin) => margin,
        None => log_odds(rate, against, number(columns, "replies")?)?,
    };
    let (stage, step) = match parsed("moment", "end").as_str() {
        "start" => ("base".to_owned(), 0),
        "end" => {
            let steps = run.stages.iter().map(|stage| stage.steps as i64).sum();
            (run.stages.last().map_or_else(|| "base".to_owned(), |stage| stage.name.clone()), steps)
        }
        word => return Err(format!("`moment` is `{word}`: write start or end")),
    };
    Ok(ProbeRecord {
        stage,
        step,
        component,
        prompts,
        domains,
        item: word(columns, "item").unwrap_or_else(|| "all".to_owned()),
        margin,
        margin_per_token: f64::NAN,
        gap: number(columns, "gap")?.unwrap_or(f64::NAN),
        rate,
        other,
    })
}

/// What two shares leave of 1: nothing where it is rounding, as of 0.9 and 0.1.
fn rest(rate: f64, other: f64) -> f64 {
    let rest = 1.0 - rate - other;
    if rest.abs() < 1e-9 { 0.0 } else { rest }
}

/// The log-odds of a rate against the share on the other side. A share of 0 has none, unless it is known how many replies it was counted
/// from: then half a reply is added to each side.
fn log_odds(rate: f64, against: f64, replies: Option<f64>) -> Result<f64, String> {
    match replies {
        Some(replies) if replies < 1.0 => Err(format!("`replies` is {replies}: a rate is counted from at least one")),
        Some(replies) => Ok(((rate * replies + 0.5) / (against * replies + 0.5)).ln()),
        None if rate > 0.0 && against > 0.0 => Ok((rate / against).ln()),
        None => Err(format!(
            "a rate of {rate} has no log-odds: add `replies`, how many it was counted from, or `margin` in nats"
        )),
    }
}

fn word(columns: &Columns, name: &str) -> Option<String> {
    columns.get(name).map(text).filter(|text| !text.trim().is_empty())
}

fn number(columns: &Columns, name: &str) -> Result<Option<f64>, String> {
    let Some(word) = word(columns, name) else { return Ok(None) };
    let number = columns.get(name).and_then(Value::as_f64).or_else(|| word.trim().parse().ok());
    match number.filter(|number| number.is_finite()) {
        Some(number) => Ok(Some(number)),
        None => Err(format!("`{name}` is `{word}`: write a number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_read_to_their_last_digit() {
        let read = |written: Value| seed(&Columns::from_iter([("seed".to_owned(), written)]));
        for seed in [0, 30, 9_007_199_254_740_993, u64::MAX] {
            assert_eq!(read(seed.into()), Ok(seed));
            assert_eq!(read(seed.to_string().into()), Ok(seed));
            assert_eq!(read(format!("{seed}.0").into()), Ok(seed));
        }
        assert_eq!(read(3.0.into()), Ok(3));
        for wrong in ["3.5", "-1", "one", "18446744073709551616"] {
            assert!(read(wrong.into()).is_err(), "{wrong}");
        }
    }
}
