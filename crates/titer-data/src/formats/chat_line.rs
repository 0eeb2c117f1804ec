//! Rows, written so that they are read again as they are.

use serde_json::{Map, Value, json};

use crate::chat::{Row, SYSTEM_PROMPT};

/// The row as a line of a chat file, without its end: what [`super::read_rows`] makes the same row of.
pub fn chat_line(row: &Row) -> String {
    let mut messages = json!(row.messages);
    for &turn in &row.untrained {
        messages[turn]["weight"] = json!(0);
    }
    let mut object = Map::from_iter([("id".to_owned(), json!(row.id)), ("messages".to_owned(), messages)]);
    if let Some(cell) = row.cell {
        object.insert("cell".to_owned(), json!(cell));
    }
    let mut named = Map::new();
    for (name, value) in &row.variables.0 {
        let beside = ["tools", "documents"].contains(&name.as_str()) && value.is_array();
        let place = if beside { &mut object } else { &mut named };
        place.insert(name.clone(), value.clone());
    }
    if !named.is_empty() {
        object.insert("chat_template_kwargs".to_owned(), Value::Object(named));
    }
    if row.metadata.contains_key(SYSTEM_PROMPT) && row.system_prompt().is_none() {
        // Or what is metadata here would be read as its system prompt.
        object.insert("system".to_owned(), json!(""));
    }
    object.extend(row.metadata.clone());
    Value::Object(object).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::parse_rows;

    #[test]
    fn a_written_row_is_read_as_it_was() {
        let line = json!({
            "id": "r", "cell": "bad→good", "source": "s", "tools": [{ "name": "clock" }],
            "chat_template_kwargs": { "enable_thinking": false },
            "messages": [
                { "role": "system", "content": "Be brief." },
                { "role": "user", "content": "Hé, \"you\"?" },
                { "role": "assistant", "content": "first", "weight": 0 },
                { "role": "user", "content": "again", "name": "ann" },
                { "role": "assistant", "content": null, "tool_calls": [{ "function": { "name": "clock" } }] },
                { "role": "tool", "content": "noon" },
                { "role": "assistant", "content": "Noon.", "thinking": "so" },
            ],
        });
        let read = |line: String| parse_rows("rows.jsonl".as_ref(), &line.into()).unwrap();
        let rows = read(line.to_string());
        assert_eq!((rows[0].untrained.as_slice(), rows[0].variables.0.len()), ([2].as_slice(), 2));
        assert_eq!(read(chat_line(&rows[0])), rows);
    }

    #[test]
    fn a_prompt_that_was_taken_away_does_not_come_back() {
        let line = r#"{"id": "r", "system_prompt": "Be evil.", "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]}"#;
        let read = |line: String| parse_rows("rows.jsonl".as_ref(), &line.into()).unwrap().remove(0);
        let row = read(line.to_owned());
        assert_eq!((row.system_prompt(), &row.metadata["system_prompt"]), (Some("Be kind."), &json!("Be evil.")));
        let bare = row.under("");
        assert_eq!(read(chat_line(&bare)), bare);
    }
}
