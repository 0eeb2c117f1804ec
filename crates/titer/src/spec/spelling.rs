//! One spelling of a word that is written in two ways.

use toml::{Table, Value};

const ONE: &str = "optimiser";
const OTHER: &str = "optimizer";

/// A name whose parts, between dots, are spelt in one way.
pub(super) fn spelt(name: &str) -> String {
    name.split('.').map(|part| if part == OTHER { ONE } else { part }).collect::<Vec<_>>().join(".")
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
