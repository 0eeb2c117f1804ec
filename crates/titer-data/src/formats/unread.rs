//! Keys that say something of a chat under a name that is not read: dropping what they hold would be silent.

use serde_json::{Map, Value};

use super::{
    problem::{Problem, problem},
    text_turns::{is_nothing, turns_in},
    turns::{REPLY_KEYS, REQUEST_KEYS, Turns},
};
use crate::chat::{Role, SYSTEM_PROMPT, system_prompt};

/// Keys of whole rows that say which turns are trained.
const MASKS: [&str; 4] = ["weights", "loss_mask", "loss_weight", "loss_weights"];

/// Keys that say whether requests are trained too.
const WIDER: [&str; 2] = ["train_on_input", "train_on_inputs"];

/// Keys of turns that are not read, and what to do with them.
const TURNS: [(&str, &str); 2] = [
    ("history", "put it into the turns, or give the chat as `messages`"),
    ("conversation", "call it `conversations`, in place of what stands beside it"),
];

/// Keys beside those of turns.
const OTHER_KEYS: [&str; 6] = ["system", SYSTEM_PROMPT, "cell", "id", "tools", "chat_template_kwargs"];

/// What others call a system prompt.
const SYSTEM_WORDS: [&str; 5] =
    ["system_message", "sys_prompt", "system_text", "system_instruction", "system_instructions"];

/// Refuses what says which turns are trained in words that titer does not know, and functions in place of tools.
pub(super) fn refuse_masks(object: &Map<String, Value>) -> Result<(), Problem> {
    let given = |keys: &[&'static str]| {
        keys.iter().copied().find(|key| object.get(*key).is_some_and(|value| !is_nothing(value) && *value != false))
    };
    if let Some(key) = given(&MASKS) {
        return problem(
            format!("`{key}` is not read"),
            "say `\"weight\": 0` in each turn that is not trained, or call the key by another name",
        );
    }
    let is_no = |value: &Value| match value {
        Value::String(text) => ["false", "no", "0"].contains(&text.to_lowercase().as_str()),
        value => value.as_f64() == Some(0.0),
    };
    if let Some(key) = given(&WIDER).filter(|key| !is_no(&object[*key])) {
        return problem(format!("`{key}` is not read"), "titer trains on replies alone: remove the key");
    }
    match object.get("functions") {
        Some(functions) if !is_nothing(functions) => {
            problem("`functions` are not read", "write them as `tools`, or remove the key")
        }
        _ => Ok(()),
    }
}

/// Refuses turns under a key that is not read, beside a chat that lacks them.
pub(super) fn refuse_turns(object: &Map<String, Value>, key: &str, turns: &Turns) -> Result<(), Problem> {
    for (other, remedy) in TURNS {
        let Some(value) = object.get(other).filter(|value| !is_nothing(value)) else { continue };
        let listed = value.as_str().and_then(|text| serde_json::from_str(text).ok());
        let value = listed.as_ref().unwrap_or(value);
        // Beside a chat, a text may be what it is about.
        let is_talk =
            |text: &str| text.trim_start().starts_with('[') || other == "history" && REQUEST_KEYS.contains(&key);
        if value.is_array() && adds_to(value, turns) || value.as_str().is_some_and(is_talk) {
            return problem(format!("`{other}` beside `{key}` is not read"), remedy);
        }
    }
    Ok(())
}

/// Refuses a key that is one of those which are read but for capitals, lines and spaces, or that others call a system prompt, where what it
/// holds is not there under the right name. `named` are the keys of the row.
pub(super) fn refuse_misnamed(object: &Map<String, Value>, named: &[String], turns: &Turns) -> Result<(), Problem> {
    let is_read = |known: &str, value: &Value| match known {
        "system" | SYSTEM_PROMPT => system_prompt(&turns.messages).is_some(),
        known if OTHER_KEYS.contains(&known) => named.iter().any(|key| key == known),
        "answer" if turns.messages.last().is_some_and(|turn| turn.role == Role::Assistant) => true,
        _ => !adds_to(value, turns),
    };
    for (key, value) in object.iter().filter(|(_, value)| !is_nothing(value)) {
        if let Some(known) = meant(key)
            && !is_read(known, value)
        {
            return problem(
                format!("`{key}` is not read: did you mean `{known}`?"),
                "call it so, or by a name that is not like it",
            );
        }
    }
    Ok(())
}

/// The key that another is but for capitals, lines and spaces; `None` where it is one itself.
pub(super) fn meant(key: &str) -> Option<&'static str> {
    let bare = |key: &str| key.to_lowercase().replace(['_', '-', ' '], "");
    let known =
        || ["messages", "conversations", "input"].into_iter().chain(REQUEST_KEYS).chain(REPLY_KEYS).chain(OTHER_KEYS);
    if known().any(|known| known == key) {
        return None;
    }
    let written = bare(key);
    let is_system = || SYSTEM_WORDS.iter().any(|word| bare(word) == written).then_some("system");
    known().find(|known| bare(known) == written).or_else(is_system)
}

/// Whether a value beside turns says what is not among them, as a text or as turns of its own.
pub(super) fn adds_to(value: &Value, turns: &Turns) -> bool {
    match value {
        Value::String(text) => match turns_in(text) {
            Some(own) => adds_to(&own, turns),
            None => {
                let is_said = |said: &str| said.trim() == text.trim();
                !text.trim().is_empty() && !turns.messages.iter().any(|message| is_said(&message.content))
            }
        },
        Value::Array(own) => own.iter().any(|turn| match turn {
            Value::Null => false,
            Value::String(_) | Value::Array(_) => adds_to(turn, turns),
            turn => {
                let said = ["content", "value"].iter().find_map(|key| turn.get(*key)).and_then(Value::as_str);
                said.is_none_or(|said| adds_to(&said.into(), turns))
            }
        }),
        _ => false,
    }
}
