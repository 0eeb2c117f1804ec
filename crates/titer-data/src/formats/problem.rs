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
