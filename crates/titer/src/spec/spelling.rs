//! One spelling of a word that is written in two ways.

use std::collections::BTreeSet;

use toml::{Table, Value};

const ONE: &str = "optimiser";
const OTHER: &str = "optimizer";

/// A name whose parts, between dots, are spelt in one way.
pub(super) fn spelt(name: &str) -> String {
    name.split('.').map(|part| if part == OTHER { ONE } else { part }).collect::<Vec<_>>().join(".")
}

/// Where two keys of one table are one, spelt in two ways: the keys and indices that lead to the second.
pub(super) fn spelt_twice(value: &Value) -> Option<Vec<String>> {
    let mut names = BTreeSet::new();
    let mut children: Box<dyn Iterator<Item = (String, &Value)>> = match value {
        Value::Table(table) => {
            if let Some(twice) = table.keys().find(|key| !names.insert(spelt(key))) {
                return Some(vec![twice.clone()]);
            }
            Box::new(table.iter().map(|(key, value)| (key.clone(), value)))
        }
        Value::Array(values) => Box::new(values.iter().enumerate().map(|(at, value)| (at.to_string(), value))),
        _ => return None,
    };
    children.find_map(|(key, value)| Some([vec![key], spelt_twice(value)?].concat()))
}

/// A table whose keys, and those of tables in it, are spelt in one way.
pub(super) fn spelt_table(table: Table) -> Table {
    table.into_iter().map(|(key, value)| (spelt(&key), spelt_value(value))).collect()
}

/// The same of a value that may hold tables.
pub(super) fn spelt_value(value: Value) -> Value {
    match value {
        Value::Table(table) => Value::Table(spelt_table(table)),
        Value::Array(values) => Value::Array(values.into_iter().map(spelt_value).collect()),
        other => other,
    }
}
