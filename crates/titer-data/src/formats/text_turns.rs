//! Turns that a text holds: tables without nesting write lists of turns so.

use serde_json::Value;

use super::problem::{Problem, problem};

/// Keys of a turn that say who speaks.
const SPEAKER_KEYS: [&str; 2] = ["role", "from"];

/// A value as it stands; where it is the text of a JSON list of turns, that list.
///
/// Fails where it is the text of such a list as Python prints it.
pub(super) fn unpacked(key: &str, value: Value) -> Result<Value, Problem> {
    let Some(text) = value.as_str() else { return Ok(value) };
    if is_printed(text) {
        return problem(
            format!("`{key}` is a list of turns as Python prints it"),
            "write it by `json.dumps`, or save the file as JSON Lines or Parquet",
        );
    }
    Ok(turns_in(text).unwrap_or(value))
}

/// The list of turns that a text is in JSON.
pub(super) fn turns_in(text: &str) -> Option<Value> {
    if !text.trim_start().starts_with('[') {
        return None;
    }
    serde_json::from_str(text).ok().filter(are_turns)
}

/// Whether a value is a list of objects that all say who speaks.
pub(super) fn are_turns(value: &Value) -> bool {
    let is_turn = |turn: &Value| SPEAKER_KEYS.iter().any(|key| turn.get(*key).is_some_and(Value::is_string));
    value.as_array().is_some_and(|turns| !turns.is_empty() && turns.iter().all(is_turn))
}

/// Whether a text is a list of turns as `print` shows it, which pandas writes into CSV.
fn is_printed(text: &str) -> bool {
    let text = text.trim();
    let names = || SPEAKER_KEYS.iter().any(|key| text.contains(&format!("'{key}':")));
    text.starts_with("[{'") && text.ends_with("}]") && names()
}

/// Whether a value says nothing, as an empty column of a table does.
pub(super) fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => ["", "[]", "{}", "null"].contains(&text.trim()),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_is_turns_where_all_of_its_entries_say_who_speaks() {
        let turns = json!([{ "role": "user", "content": "u" }, { "from": "gpt", "value": "a" }]);
        assert_eq!(turns_in(&format!(" {turns}")), Some(turns.clone()));
        for text in ["[]", "[1, 2]", "[note] be brief", r#"[{"role": "user"}, {"name": "x"}]"#, r#"{"role": "user"}"#] {
            assert_eq!(unpacked("prompt", text.into()).ok(), Some(text.into()), "{text}");
        }
        for printed in
            ["[{'content': \"it's\", 'role': 'user'}]", "[{'from': 'human', 'value': 'u'}\n {'from': 'gpt'}]"]
        {
            let refused = unpacked("prompt", printed.into()).err().unwrap();
            assert!(refused.problem.contains("as Python prints it"), "{}", refused.problem);
        }
    }
}
