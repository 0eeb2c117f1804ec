//! What a row has under a key, as text: the one notion by which commands group, choose and judge rows.

use serde_json::Value;

use crate::{
    chat::{Row, SYSTEM_PROMPT},
    request::Request,
};

/// Keys that every row has beside those of its metadata.
pub const EVERY_ROW: [&str; 3] = ["id", "request", "cell"];

/// A row's id, its request's name, its cell, or its metadata of this name; empty where it has none.
pub fn value(row: &Row, key: &str) -> String {
    match key {
        "id" => row.id.clone(),
        "cell" => row.cell.map(|cell| cell.to_string()).unwrap_or_default(),
        "request" if !row.metadata.contains_key(key) => Request::of(row).id(),
        SYSTEM_PROMPT if !row.metadata.contains_key(key) => row.system_prompt().unwrap_or_default().to_owned(),
        key => row.metadata.get(key).map(text).unwrap_or_default(),
    }
}

/// A value as text; empty for null.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Message, Role};

    #[test]
    fn a_key_names_what_the_row_has() {
        let mut row = Row::new("a", vec![Message::new(Role::User, "ask"), Message::new(Role::Assistant, "reply")]);
        row.metadata.insert("sample".to_owned(), 3.into());
        row.cell = "bad→good".parse().ok();
        let values = ["id", "cell", "sample", "other"].map(|key| value(&row, key));
        assert_eq!(values, ["a", "bad→good", "3", ""]);
        assert_eq!(value(&row, "request"), Request::of(&row).id());
        row.metadata.insert("request".to_owned(), "its own".into());
        assert_eq!(value(&row, "request"), "its own");
    }
}
