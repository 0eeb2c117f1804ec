//! The files of a user's own rows and contrasts, as a spec names them.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::CellRule;

/// The files of labelled rows and contrasts of a user's own, as `[data]` in a spec names them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataFiles {
    /// Files of chat rows.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(with = "Paths")]
    pub rows: Vec<PathBuf>,
    /// A file of contrasts; without one, rows of both actions with one id or one context are the contrasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<PathBuf>,
    /// Which rows belong to which cells; without rules, each row says so itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<CellRule>,
}

impl DataFiles {
    /// Every file, in order.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.rows.iter().chain(&self.probes).map(PathBuf::as_path)
    }

    /// The files' names, for messages.
    pub fn names(&self) -> String {
        self.files().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    }

    /// The name of a file of rows where it decides cells, that is where a rule asks for it.
    pub(super) fn name_in_rules<'a>(&self, path: &'a Path) -> Option<&'a str> {
        let name = path.file_name()?.to_str()?;
        self.cells.iter().any(|rule| rule.asks_for(name)).then_some(name)
    }
}

/// A path, or a list of them.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a file or a list of files")]
enum Paths {
    One(PathBuf),
    Many(Vec<PathBuf>),
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
    Ok(match Paths::deserialize(deserializer)? {
        Paths::One(path) => vec![path],
        Paths::Many(paths) => paths,
    })
}
