//! What a message says: a text, or a list of parts that are texts.

use serde_json::Value;

use super::problem::{Problem, kind, problem};

/// Types of parts that are text.
const TEXTS: [&str; 3] = ["text", "input_text", "output_text"];

/// The text of a message's content, parts one after the other as chat templates print them. `number` counts messages from 1, `said`
/// is the key.
///
/// Fails where it is no text, or a part is none.
pub(super) fn content(value: &Value, number: usize, said: &str) -> Result<String, Problem> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Array(parts) => parts
            .iter()
            .enumerate()
            .map(|(at, part)| text_of(part, &format!("part {} of message {number}", at + 1)))
            .collect(),
        other => problem(format!("message {number} has a `{said}` that is {}", kind(other)), "make it plain text"),
    }
}

fn text_of(part: &Value, place: &str) -> Result<String, Problem> {
    let remedy = "titer trains on text alone: make it text, or remove the row";
    let part = match part {
        Value::String(text) => return Ok(text.clone()),
        Value::Object(part) => part,
        other => return problem(format!("{place} is {}", kind(other)), remedy),
    };
    let is_given = |value: &Value| !value.is_null();
    match (part.get("type"), part.get("text")) {
        (Some(Value::String(word)), _) if !TEXTS.contains(&word.as_str()) => {
            problem(format!("{place} is of the type `{word}`"), remedy)
        }
        (_, Some(Value::String(text))) => {
            // Parquet gives every part the keys of all of them, as nulls.
            match part
                .iter()
                .find(|(key, value)| !["type", "text", "annotations"].contains(&key.as_str()) && is_given(value))
            {
                Some((key, _)) => problem(format!("{place} has the key `{key}`"), remedy),
                None => Ok(text.clone()),
            }
        }
        _ => problem(format!("{place} has no `text`"), remedy),
    }
}
