//! Rows that earlier versions read otherwise: what was measured on them is not what would be measured now.

use serde_json::{Map, Value};

use super::{
    text_turns::{is_nothing, turns_in},
    turns::{REPLY_KEYS, REPLY_PAIRS, REQUEST_KEYS},
};

/// Whether titer 0.1 made another row of an object: it took turns in a text for that text, tools in a text that lists none for tools, and an empty id
/// for an id.
pub(super) fn was_read_otherwise(object: &Map<String, Value>) -> bool {
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    let said = REQUEST_KEYS.into_iter().chain(REPLY_KEYS).chain(REPLY_PAIRS.into_iter().flat_map(<[&str; 2]>::from));
    said.filter_map(text).any(|text| turns_in(text).is_some())
        || text("tools").is_some_and(|tools| is_nothing(&tools.into()))
        || text("id").is_some_and(|id| id.trim().is_empty())
}
