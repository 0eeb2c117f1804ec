//! What is wrong with an entry of a file, and what to do about it.

use serde_json::Value;

/// What is wrong with an object, and what to do about it.
pub(crate) struct Problem {
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

pub(super) fn problem<T>(problem: impl Into<String>, remedy: impl Into<String>) -> Result<T, Problem> {
    Err(Problem { problem: problem.into(), remedy: remedy.into() })
}

/// What a JSON value is, in words.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Whether a number may stand for several whole numbers: those of more digits than 64 bits hold are read as the nearest fraction.
pub(crate) fn is_rounded(number: &serde_json::Number) -> bool {
    number.is_f64() && number.as_f64().is_none_or(|number| number.abs() >= 2f64.powi(53))
}
