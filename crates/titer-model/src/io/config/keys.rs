//! The values of keys, each of one type.

use serde_json::Value;

/// A number, or `None` where the key is absent or null.
pub(super) fn number(value: &Value, key: &str) -> Result<Option<f64>, String> {
    match &value[key] {
        Value::Null => Ok(None),
        value => value.as_f64().map(Some).ok_or_else(|| format!("`{key}` is {value}; it must be a number")),
    }
}

pub(super) fn wanted(value: &Value, key: &str) -> Result<f64, String> {
    number(value, key)?.ok_or_else(|| format!("`{key}` is missing"))
}

/// A list of numbers.
pub(super) fn numbers(value: &Value, key: &str) -> Result<Vec<f64>, String> {
    let list = value[key].as_array().and_then(|list| list.iter().map(Value::as_f64).collect());
    list.ok_or_else(|| format!("`{key}` is {}; it must be a list of numbers", value[key]))
}

/// A count, or `None` where the key is absent or null.
pub(super) fn count(value: &Value, key: &str) -> Result<Option<usize>, String> {
    match &value[key] {
        Value::Null => Ok(None),
        value => value
            .as_u64()
            .and_then(|count| usize::try_from(count).ok())
            .map(Some)
            .ok_or_else(|| format!("`{key}` is {value}; it must be a count")),
    }
}

/// A yes or no; absent and null are no.
pub(super) fn flag(value: &Value, key: &str) -> Result<bool, String> {
    match &value[key] {
        Value::Null => Ok(false),
        value => value.as_bool().ok_or_else(|| format!("`{key}` is {value}; it must be true or false")),
    }
}
