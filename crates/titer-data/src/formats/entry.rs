//! An entry of a file: what it says, or why that cannot be read.

use serde_json::Value;

use super::problem::Problem;

/// An entry of a file.
pub(crate) struct Entry {
    /// What its number counts: `line`, or `row` where the file has no lines of its own.
    pub unit: &'static str,
    /// Its number, from 1.
    pub number: usize,
    /// What it says, or why that cannot be read.
    pub value: Result<Value, Problem>,
}

/// Entries of a file that has no lines of its own, in order.
pub(super) fn numbered(values: impl IntoIterator<Item = Result<Value, Problem>>) -> Vec<Entry> {
    (1..).zip(values).map(|(number, value)| Entry { unit: "row", number, value }).collect()
}

/// The first name that a list has twice.
pub(super) fn named_twice<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = std::collections::BTreeSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}

/// What is wrong where two columns have this name, because one of them would be lost.
pub(super) fn columns_of_one_name(name: &str) -> Problem {
    Problem { problem: format!("two columns are called `{name}`"), remedy: "give each its own name".to_owned() }
}
