//! A rule that says which cell a row belongs to, and which system prompt it gets there.

use std::{collections::BTreeMap, fmt, path::Path, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    cell::{Cell, NotACell},
    chat::Row,
    keys::value,
};

/// What a rule makes of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleCell {
    /// Rows of this cell.
    Cell(Cell),
    /// No rows, whatever other rules say.
    LeaveOut,
}

impl RuleCell {
    pub(crate) const LEAVE_OUT: &str = "leave out";
}

impl fmt::Display for RuleCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cell(cell) => cell.fmt(f),
            Self::LeaveOut => f.write_str(Self::LEAVE_OUT),
        }
    }
}

impl FromStr for RuleCell {
    type Err = NotACell;

    fn from_str(text: &str) -> Result<Self, NotACell> {
        if text == Self::LEAVE_OUT { Ok(Self::LeaveOut) } else { text.parse().map(Self::Cell) }
    }
}

impl Serialize for RuleCell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RuleCell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let remedy = |error| de::Error::custom(format!("{error}; or `{}`", Self::LEAVE_OUT));
        text.parse().map_err(remedy)
    }
}

/// One rule: rows that are as `where` says make a row of this cell. A row may fit several rules, and makes one row for
/// each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CellRule {
    /// What a row must be: `file`, the name of its file; `system`, words in its system prompt, or nothing where it has
    /// none; `id`, `cell` or `request`, its own; any other key, the value of its metadata.
    #[serde(default, rename = "where")]
    pub only: BTreeMap<String, String>,
    /// The cell, or `leave out`.
    pub cell: RuleCell,
    /// A system prompt in place of the row's own; an empty one takes that away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
}

impl fmt::Display for CellRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let only: Vec<String> = self.only.iter().map(|(key, wanted)| format!("{key} = \"{wanted}\"")).collect();
        write!(f, "where = {{ {} }}, cell = \"{}\"", only.join(", "), self.cell)
    }
}

impl CellRule {
    /// The key of a file's name.
    pub(super) const FILE: &str = "file";

    /// Whether a row of this file is as the rule says.
    pub(super) fn fits(&self, path: &Path, row: &Row) -> bool {
        self.only.iter().all(|(key, wanted)| match key.as_str() {
            Self::FILE => path.file_name().is_some_and(|name| name == wanted.as_str()),
            "system" => match row.system_prompt() {
                None => wanted.is_empty(),
                Some(prompt) => !wanted.is_empty() && prompt.contains(wanted.as_str()),
            },
            "cell" if let Ok(cell) = wanted.parse() => row.cell == Some(cell),
            key => value(row, key) == *wanted,
        })
    }

    /// Whether the rule asks for rows of a file of this name.
    pub(super) fn asks_for(&self, name: &str) -> bool {
        self.only.get(Self::FILE).is_some_and(|wanted| wanted == name)
    }

    /// The row as the rule makes it, apart from its cell.
    pub(super) fn apply(&self, row: &Row) -> Row {
        match &self.prompt {
            None => row.clone(),
            Some(prompt) => row.under(prompt),
        }
    }
}
