//! The file that `titer plan` reads: a spec without a mix, the rows that there are (`[rows]`) and `[limits]`.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use titer_data::cell::Cell;
use toml::{Table, Value};

use super::limit::{Limit, RateBound, Supply};
use crate::{
    plan::SweepPlan,
    spec::{Spec, SpecError},
};

/// A file of limits.
#[derive(Clone, Debug)]
pub struct LimitsFile {
    /// The rest of the file: a spec, whose text is the whole file's.
    pub spec: Spec,
    /// The rows that there are.
    pub supplies: Vec<Supply>,
    /// The limits, each with its key.
    pub limits: Vec<(String, Limit)>,
}

/// Why a file holds no limits.
#[derive(Debug, thiserror::Error)]
pub enum LimitsError {
    /// It cannot be read; the message names it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A line of it is wrong.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// It is no TOML.
    #[error("{path}: {problem}")]
    Toml {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: toml::de::Error,
    },
    /// It names no limit.
    #[error("{0}: there are no limits; add [limits], such as \"good/seen\" = {{ at_least = 0.98 }}")]
    None(PathBuf),
}

/// A bound as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BoundField {
    at_least: Option<f64>,
    at_most: Option<f64>,
    lost_at_most: Option<f64>,
}

/// Rows of a cell as written: how many there are, or also how many must be trained.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowsField {
    #[serde(default)]
    least: usize,
    most: usize,
}

impl LimitsFile {
    /// Reads the file.
    ///
    /// # Errors
    /// Where it cannot be read, a line of it is wrong, or it names no limit.
    pub fn read(path: &Path) -> Result<Self, LimitsError> {
        Self::parse(&fs_err::read_to_string(path)?, path)
    }

    /// The same of a text; `path` stands in errors.
    ///
    /// # Errors
    /// As [`LimitsFile::read`], but for files.
    pub fn parse(text: &str, path: &Path) -> Result<Self, LimitsError> {
        let mut spec = Spec::parse(&without_own_sections(text), path)?;
        let table: Table =
            toml::from_str(text).map_err(|problem| LimitsError::Toml { path: path.to_owned(), problem })?;
        text.clone_into(&mut spec.text);
        let section = |name: &str| table.get(name).and_then(Value::as_table).into_iter().flatten();
        let supplies = section("rows").map(|(key, value)| supply(&spec, key, value)).collect::<Result<_, _>>()?;
        let limits: Vec<_> = section("limits")
            .map(|(key, value)| Ok((key.clone(), limit(&spec, key, value)?)))
            .collect::<Result<_, SpecError>>()?;
        if limits.is_empty() {
            return Err(LimitsError::None(path.to_owned()));
        }
        Ok(Self { spec, supplies, limits })
    }

    /// Whether every limit is on a probe that the runs measure.
    ///
    /// # Errors
    /// The line of the first that is not.
    pub fn check_probes(&self, sweep: &SweepPlan) -> Result<(), SpecError> {
        let names = sweep.probe_names();
        let names: Vec<&str> = names.iter().map(|name| name.strip_suffix("/trained").unwrap_or(name)).collect();
        let Some((key, limit)) = self.limits.iter().find(|(_, limit)| !names.contains(&limit.probe.as_str())) else {
            return Ok(());
        };
        let problem = format!("there is no probe `{}`", limit.probe);
        let remedy = format!("name one of {}", names.join(", "));
        Err(self.spec.error(&["limits", key.as_str()], problem, &remedy))
    }
}

/// The text with the lines of `[rows]` and `[limits]` left empty, so that errors in the others keep their line.
fn without_own_sections(text: &str) -> String {
    let mut inside = false;
    let mut rest = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with('[') {
            inside = ["[rows]", "[limits]"].iter().any(|head| line.trim_start().starts_with(head));
        }
        rest += if inside { "" } else { line };
        rest.push('\n');
    }
    rest
}

fn supply(spec: &Spec, key: &str, value: &Value) -> Result<Supply, SpecError> {
    let keys = ["rows", key];
    let cell: Cell = key.parse().map_err(|error| spec.error(&keys, format!("{error}"), ""))?;
    let field = match value {
        Value::Integer(most) => usize::try_from(*most).ok().map(|most| RowsField { least: 0, most }),
        other => RowsField::deserialize(other.clone()).ok(),
    };
    let remedy = "write how many there are, such as 800, or { least = 100, most = 800 }";
    let field = field.ok_or_else(|| spec.error(&keys, format!("`{value}` is no number of rows"), remedy))?;
    Ok(Supply { cell, least: field.least, most: field.most })
}

fn limit(spec: &Spec, key: &str, value: &Value) -> Result<Limit, SpecError> {
    let bound = BoundField::deserialize(value.clone()).ok().and_then(|field| match field {
        BoundField { at_least: Some(rate), at_most: None, lost_at_most: None } => {
            Some((RateBound::AtLeast(rate), rate))
        }
        BoundField { at_least: None, at_most: Some(rate), lost_at_most: None } => Some((RateBound::AtMost(rate), rate)),
        BoundField { at_least: None, at_most: None, lost_at_most: Some(rate) } => {
            Some((RateBound::LostAtMost(rate), rate))
        }
        _ => None,
    });
    let remedy =
        "write one of { at_least = 0.98 }, { at_most = 0.05 }, { lost_at_most = 0.02 }; rates lie between 0 and 1";
    let (bound, _) = bound
        .filter(|(_, rate)| (0.0..=1.0).contains(rate))
        .ok_or_else(|| spec.error(&["limits", key], format!("`{value}` is no limit"), remedy))?;
    // The leak is what is not good by default.
    let (probe, bound) = match (key.strip_prefix("leak"), bound) {
        (Some(""), RateBound::AtMost(most)) => ("good/seen".to_owned(), RateBound::AtLeast(1.0 - most)),
        (Some(end), RateBound::AtMost(most)) => (format!("good{end}"), RateBound::AtLeast(1.0 - most)),
        _ => (key.to_owned(), bound),
    };
    Ok(Limit { probe, bound })
}
