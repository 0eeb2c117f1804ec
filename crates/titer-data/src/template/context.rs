//! What a template sees of a chat, and what of it the template looks at.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use minijinja::{
    Value,
    value::{Enumerator, Object, Serde},
};

use super::TemplateError;
use crate::{
    chat::{Chat, Message, Role},
    variables::Variables,
};

/// Names under which a message's thoughts are given. As transformers has it, they are given under the first of them too, and
/// where they are not given under the second, under that.
const THOUGHTS: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

/// Fields of a message that hold what someone says or does: a template that does not look at them would drop them in silence.
/// Others, such as a time, are for whoever keeps the data.
const SPOKEN: [&str; 24] = [
    "reasoning_content",
    "thinking",
    "reasoning",
    "reasoning_details",
    "thought",
    "thoughts",
    "think",
    "analysis",
    "tool_calls",
    "tool_plan",
    "tool_results",
    "tool_responses",
    "function_call",
    "tools",
    "functions",
    "name",
    "documents",
    "citations",
    "image",
    "images",
    "audio",
    "video",
    "videos",
    "files",
];

/// What templates call the turns of a chat.
pub(super) const MESSAGES: &str = "messages";
/// What says whether the text ends where the assistant would begin to write.
pub(super) const GENERATION_PROMPT: &str = "add_generation_prompt";

/// What templates looked at: fields of messages, by role.
pub(super) type Looked = BTreeSet<(Role, String)>;

/// A message as templates see it.
#[derive(Debug)]
pub(super) struct SeenMessage {
    role: Role,
    fields: Vec<(String, Value)>,
    looked: Arc<Mutex<Looked>>,
}

impl SeenMessage {
    fn look(&self, name: &str) {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner).insert((self.role, name.to_owned()));
    }
}

impl Object for SeenMessage {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.look(key);
        self.fields.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.fields.iter().map(|(name, _)| Value::from(name.as_str())).collect())
    }
}

/// How contents that were given in parts are shown to a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contents {
    /// As one text.
    Texts,
    /// As they were given.
    Parts,
}

/// What a message thinks, where it says so apart from its content.
pub(super) fn thoughts(message: &Message) -> Option<&serde_json::Value> {
    THOUGHTS.iter().find_map(|&name| message.fields.0.get(name))
}

/// The parts in which a content was given, where it is still that.
pub(super) fn parts(message: &Message) -> Option<&serde_json::Value> {
    let parts = message.fields.0.get("content").filter(|parts| parts.is_array())?;
    let texts = parts.as_array().into_iter().flatten().filter_map(|part| part.as_str().or(part["text"].as_str()));
    (texts.collect::<String>() == message.content).then_some(parts)
}

/// Fails where a chat holds a number of which 64 bits do not keep the digits that Python would print.
pub(super) fn digits_are_kept(chat: Chat<'_>) -> Result<(), TemplateError> {
    fn is_lost(value: &serde_json::Value) -> bool {
        match value {
            serde_json::Value::Number(number) => {
                let real = number.as_f64().unwrap_or_default();
                number.is_f64() && real.fract() == 0.0 && (real >= u64::MAX as f64 || real <= i64::MIN as f64)
            }
            serde_json::Value::Array(items) => items.iter().any(is_lost),
            serde_json::Value::Object(entries) => entries.values().any(is_lost),
            _ => false,
        }
    }
    let of_messages = chat.messages.iter().flat_map(|message| &message.fields.0);
    match of_messages.chain(&chat.variables.0).find(|(_, value)| is_lost(value)) {
        Some((name, _)) => Err(TemplateError::Digits { name: name.clone() }),
        None => Ok(()),
    }
}

/// The messages of a chat as a template sees them, and where it is noted what it looks at.
pub(super) fn messages(messages: &[Message], contents: Contents) -> (Value, Arc<Mutex<Looked>>) {
    let looked = Arc::new(Mutex::new(Looked::new()));
    let seen = |message: &Message| {
        let given = &message.fields.0;
        let mut fields = vec![("role".to_owned(), Value::from(message.role.word()))];
        // A content that is null beside tool calls is none, as transformers has it.
        let content = match parts(message).filter(|_| contents == Contents::Parts) {
            Some(parts) => Some(json(parts)),
            None => {
                given.get("content").is_none_or(|given| !given.is_null()).then(|| Value::from(message.content.as_str()))
            }
        };
        fields.extend(content.map(|content| ("content".to_owned(), content)));
        let thoughts = thoughts(message).map(json);
        let named = given.iter().filter(|(name, value)| !value.is_null() && *name != THOUGHTS[0] && *name != "content");
        fields.extend(named.map(|(name, value)| (name.clone(), json(value))));
        if let Some(thoughts) = thoughts {
            if !given.contains_key(THOUGHTS[1]) {
                fields.push((THOUGHTS[1].to_owned(), thoughts.clone()));
            }
            fields.push((THOUGHTS[0].to_owned(), thoughts));
        }
        Value::from_object(SeenMessage { role: message.role, fields, looked: Arc::clone(&looked) })
    };
    (messages.iter().map(seen).collect(), looked)
}

/// What else a template sees: `variables` of the chat over those of all chats.
pub(super) fn variables<'a>(all: impl IntoIterator<Item = &'a Variables>) -> Vec<(String, Value)> {
    all.into_iter().flat_map(|variables| &variables.0).map(|(name, value)| (name.clone(), json(value))).collect()
}

fn json(value: &serde_json::Value) -> Value {
    Value::from(Serde(value))
}

/// Fails where a template that can read these names would not read a variable, or it is what the chat itself goes by.
pub(super) fn nothing_unread(variables: &Variables, names: &BTreeSet<String>) -> Result<(), TemplateError> {
    let of_chat = |name: &String| [MESSAGES, GENERATION_PROMPT].contains(&name.as_str());
    match variables.0.keys().find(|name| of_chat(name) || !names.contains(*name)) {
        Some(name) if of_chat(name) => Err(TemplateError::ChatVariable { name: name.clone() }),
        Some(name) => Err(TemplateError::UnreadVariable { name: name.clone() }),
        None => Ok(()),
    }
}

/// Fails where a template that looked at these fields, and can read these names, has dropped something of a chat.
pub(super) fn nothing_dropped(chat: Chat<'_>, looked: &Looked, names: &BTreeSet<String>) -> Result<(), TemplateError> {
    nothing_unread(chat.variables, names)?;
    for (at, message) in chat.messages.iter().enumerate() {
        let is_read = |name: &str| {
            let aliases = if THOUGHTS.contains(&name) { &THOUGHTS[..] } else { &[] };
            aliases.iter().copied().chain([name]).any(|name| looked.contains(&(message.role, name.to_owned())))
        };
        // What a tool is called stands with its call.
        let is_spoken = |name: &str| SPOKEN.contains(&name) && !(name == "name" && message.role == Role::Tool);
        let spoken = message.fields.0.iter().filter(|(name, value)| is_spoken(name) && !is_empty(value));
        // Of system prompts more is asked, see `dropped_prompt`.
        let content = (message.role != Role::System && !message.content.is_empty()).then_some("content");
        let mut spoken = content.into_iter().chain(spoken.map(|(name, _)| name.as_str()));
        if let Some(name) = spoken.find(|name| !is_read(name)) {
            return Err(TemplateError::UnreadField { name: name.to_owned(), turn: at + 1, role: message.role });
        }
    }
    Ok(())
}

/// Whether a value says nothing.
fn is_empty(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Null | serde_json::Value::Bool(false) => true,
        serde_json::Value::String(text) => text.is_empty(),
        serde_json::Value::Array(items) => items.is_empty(),
        serde_json::Value::Object(entries) => entries.is_empty(),
        _ => false,
    }
}
