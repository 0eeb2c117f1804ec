//! Named columns with units: what a table is made of, whatever file it goes into.

use serde_json::Value as Json;

use super::field::Field;
use crate::plan::Setting;

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The unit; empty for texts.
    pub unit: &'static str,
    /// What it says, in a sentence or two.
    pub description: &'static str,
    /// One value a row.
    pub values: Values,
}

/// The values of a column, one a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Numbers; some may be infinite or not a number.
    Number(Vec<f64>),
    /// Whole numbers.
    Whole(Vec<i64>),
    /// Texts.
    Text(Vec<String>),
    /// Yes or no.
    Flag(Vec<bool>),
    /// Numbers, null where there is none.
    NumberIfAny(Vec<Option<f64>>),
    /// Texts, null where there is none.
    TextIfAny(Vec<Option<String>>),
}

impl Column {
    /// A column as a field declares it.
    pub fn of(field: &Field, values: Values) -> Self {
        let Field { name, unit, description, .. } = *field;
        Self { name: name.to_owned(), unit, description: description.trim_start(), values }
    }

    /// The column of a swept axis, from each row's setting, which a control outside the grid lacks: numbers where
    /// `numbers` says that all settings of the axis are some, else texts.
    pub fn axis<'s>(name: &str, numbers: bool, settings: impl Iterator<Item = Option<&'s Setting>>) -> Self {
        let values = if numbers {
            Values::NumberIfAny(settings.map(|setting| setting.and_then(Setting::number)).collect())
        } else {
            Values::TextIfAny(settings.map(|setting| setting.map(Setting::to_string)).collect())
        };
        Self { name: name.to_owned(), unit: "", description: "The arm's value on this swept axis.", values }
    }

    /// A column of `rows` rows that all hold this column's first value.
    pub(super) fn repeated(&self, rows: usize) -> Self {
        fn repeat<T: Clone>(values: &[T], rows: usize) -> Vec<T> {
            values.iter().take(1).cycle().take(rows).cloned().collect()
        }
        let values = match &self.values {
            Values::Number(values) => Values::Number(repeat(values, rows)),
            Values::Whole(values) => Values::Whole(repeat(values, rows)),
            Values::Text(values) => Values::Text(repeat(values, rows)),
            Values::Flag(values) => Values::Flag(repeat(values, rows)),
            Values::NumberIfAny(values) => Values::NumberIfAny(repeat(values, rows)),
            Values::TextIfAny(values) => Values::TextIfAny(repeat(values, rows)),
        };
        Self { values, ..self.clone() }
    }
}

impl Values {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Number(values) => values.len(),
            Self::Whole(values) => values.len(),
            Self::Text(values) => values.len(),
            Self::Flag(values) => values.len(),
            Self::NumberIfAny(values) => values.len(),
            Self::TextIfAny(values) => values.len(),
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a row as JSON: null where there is none, and for numbers that are not finite.
    pub fn json(&self, row: usize) -> Json {
        match self {
            Self::Number(values) => values[row].into(),
            Self::Whole(values) => values[row].into(),
            Self::Text(values) => values[row].as_str().into(),
            Self::Flag(values) => values[row].into(),
            Self::NumberIfAny(values) => values[row].into(),
            Self::TextIfAny(values) => values[row].as_deref().into(),
        }
    }
}
