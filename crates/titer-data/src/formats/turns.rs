//! The ways in which chats are written: role and content, from and value, prompt and reply.

use serde_json::{Map, Value};

use super::{
    content::content,
    problem::{Problem, kind, problem},
    text_turns::{are_turns, is_nothing, unpacked},
};
use crate::{
    chat::{Message, Role, SYSTEM_PROMPT, system_prompt},
    variables::Variables,
};

/// Keys of a message that say what is trained in words that titer does not know: dropping them would be silent.
const REFUSED: [&str; 11] = [
    "function_call",
    "train",
    "training",
    "trainable",
    "train_detail",
    "train_on",
    "mask",
    "masked",
    "loss",
    "loss_mask",
    "loss_weight",
];

/// The turns of a chat, and which of the assistant's are not trained on.
#[derive(Default)]
pub(super) struct Turns {
    pub(super) messages: Vec<Message>,
    pub(super) untrained: Vec<usize>,
    /// Whether any message says if it is trained on.
    pub(super) weighted: bool,
    /// Whether they are written as `from` and `value`.
    pub(super) shared: bool,
}

/// The names of roles, those that ShareGPT's `from` has among them.
const SPEAKERS: [(&str, Role); 12] = [
    ("system", Role::System),
    ("developer", Role::System),
    ("human", Role::User),
    ("user", Role::User),
    ("gpt", Role::Assistant),
    ("chatgpt", Role::Assistant),
    ("assistant", Role::Assistant),
    ("model", Role::Assistant),
    ("bot", Role::Assistant),
    ("tool", Role::Tool),
    ("observation", Role::Tool),
    ("function_response", Role::Tool),
];

/// A list of messages under `key`, each of role and content, or of from and value.
pub(super) fn list(key: &str, messages: &Value) -> Result<Turns, Problem> {
    if messages.is_string() {
        unpacked(key, messages.clone())?;
    }
    // Tables without nesting hold them as text.
    let parsed = messages.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let Value::Array(messages) = parsed.as_ref().unwrap_or(messages) else {
        let remedy = "make it a list of `{\"role\", \"content\"}` or `{\"from\", \"value\"}` objects";
        return problem(format!("`{key}` is {}", kind(messages)), remedy);
    };
    if messages.is_empty() {
        return problem(format!("`{key}` is empty"), "add the turns of the chat, or remove the line");
    }
    let mut turns = Turns::default();
    for (at, message) in messages.iter().enumerate() {
        let (message, weight, shared) = turn(message, at + 1)?;
        turns.weighted |= weight.is_some();
        turns.shared |= shared;
        if weight == Some(false) {
            turns.untrained.push(at);
        }
        turns.messages.push(message);
    }
    Ok(turns)
}

/// The messages of a chat that somebody sends, each of role and content; the error says what is wrong and what to do.
///
/// Fails on the first that is no message, and where there is none.
pub fn parse_messages(messages: &Value) -> Result<Vec<Message>, String> {
    match list("messages", messages) {
        Ok(turns) => Ok(turns.messages),
        Err(Problem { problem, remedy }) => Err(format!("{problem}: {remedy}")),
    }
}

/// A message, whether it is trained on, where it says so, and whether it is written as from and value.
fn turn(message: &Value, number: usize) -> Result<(Message, Option<bool>, bool), Problem> {
    let Value::Object(message) = message else {
        let example = "write it as `{\"role\": \"user\", \"content\": \"...\"}`";
        return problem(format!("message {number} is {}", kind(message)), example);
    };
    let shared = message.contains_key("from") && !message.contains_key("role");
    let [speaker, said] = if shared { ["from", "value"] } else { ["role", "content"] };
    let role = match message.get(speaker) {
        Some(Value::String(word)) => role(word, number, shared)?,
        Some(other) => {
            return problem(format!("message {number} has a `{speaker}` that is {}", kind(other)), "make it text");
        }
        None => {
            let remedy = format!("add `\"{speaker}\": \"user\"` or another role");
            return problem(format!("message {number} has no `{speaker}`"), remedy);
        }
    };
    let present = |key: &str| message.get(key).filter(|value| !value.is_null());
    if let Some(key) = REFUSED.into_iter().find(|key| present(key).is_some()) {
        let remedy = match key {
            "function_call" => "write it as `tool_calls`, or as text into `content`",
            _ => "say `\"weight\": 0` of what is not trained, or remove the key",
        };
        return problem(format!("message {number} has the key `{key}`, which titer cannot train as given"), remedy);
    }
    let weight = match (present("weight").map(Value::as_f64), role) {
        (None, _) => None,
        (Some(Some(0.0)), Role::Assistant) => Some(false),
        (Some(Some(1.0)), Role::Assistant) => Some(true),
        // Nobody else's messages are trained, whatever they weigh.
        (Some(Some(0.0)), _) => None,
        _ => {
            let remedy = "only an assistant's message has a weight, 0 or 1; that of another may be 0";
            return problem(format!("message {number} has a `weight` that says nothing"), remedy);
        }
    };
    let mut fields: Map<String, Value> =
        message.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), value.clone())).collect();
    [speaker, said, "weight"].into_iter().for_each(|key| drop(fields.shift_remove(key)));
    let content = match message.get(said) {
        // As OpenAI writes a turn that is calls of tools alone.
        None | Some(Value::Null) if fields.contains_key("tool_calls") => {
            fields.insert("content".to_owned(), Value::Null);
            String::new()
        }
        Some(value) => {
            // A template may print parts otherwise than their text.
            if value.as_array().is_some_and(|parts| parts.len() > 1) {
                fields.insert("content".to_owned(), value.clone());
            }
            content(value, number, said)?
        }
        None => return problem(format!("message {number} has no `{said}`"), format!("add `\"{said}\": \"...\"`")),
    };
    Ok((Message { role, content, fields: Variables(fields) }, weight, shared))
}

fn role(word: &str, number: usize, shared: bool) -> Result<Role, Problem> {
    let known = SPEAKERS.into_iter().find(|(name, _)| *name == word && (shared || !is_informal(word)));
    if let Some((_, role)) = known {
        return Ok(role);
    }
    let remedy = match (word, shared) {
        ("function_call" | "function", _) => {
            "write calls as `tool_calls` of the assistant, and what they return as `tool`"
        }
        (_, true) => "use one of `system`, `human`, `gpt`, `tool`",
        (_, false) => "use one of `system`, `user`, `assistant`, `tool`",
    };
    problem(format!("message {number} has the unknown role `{word}`"), remedy)
}

/// Whether a role is called so by ShareGPT alone: elsewhere it may be a slip.
fn is_informal(word: &str) -> bool {
    ["human", "gpt", "chatgpt", "model", "bot", "observation", "function_response"].contains(&word)
}

/// Whether a value is text or turns, and not empty.
pub(super) fn holds_text(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.is_empty(),
        Value::Array(turns) => !turns.is_empty(),
        _ => false,
    }
}

/// Refuses two keys that hold the same part of a chat.
pub(super) fn told_twice<T>(key: &str, other: &str, part: &str) -> Result<T, Problem> {
    problem(format!("`{key}` and `{other}` both hold {part}"), "keep one of them, or call the other by another name")
}

/// An instruction or a question with its `input` or `context` on a line of its own, as those who train on Alpaca's rows write it; the
/// keys leave the object.
pub(super) fn with_input(instruction: Value, object: &mut Map<String, Value>) -> Result<Value, Problem> {
    let mut inputs = Vec::new();
    for key in ["input", "context"] {
        match object.shift_remove(key) {
            None | Some(Value::Null) => {}
            Some(Value::String(input)) if input.is_empty() => {}
            Some(Value::String(input)) => inputs.push((key, input)),
            Some(other) => return problem(format!("`{key}` is {}", kind(&other)), "make it plain text"),
        }
    }
    match (instruction, &inputs[..]) {
        (_, [(key, _), (other, _)]) => told_twice(key, other, "an input"),
        (Value::String(instruction), [(_, input)]) => Ok(Value::String(format!("{instruction}\n{input}"))),
        (_, [(key, _)]) => problem(format!("`{key}` beside turns is not read"), "put it into the turns"),
        (instruction, _) => Ok(instruction),
    }
}

/// What the two replies of a contrast are called.
pub(super) const REPLY_PAIRS: [(&str, &str); 3] = [("plus", "minus"), ("chosen", "rejected"), ("positive", "negative")];

/// The keys of a request that stands alone, the first of which that an object has is taken.
pub(super) const REQUEST_KEYS: [&str; 5] = ["prompt", "question", "query", "instruction", "context"];

/// The keys of a reply, the first of which that an object has is taken.
pub(super) const REPLY_KEYS: [&str; 4] = ["response", "completion", "answer", "output"];

/// The turns of a request under `key` and its reply, where there is one, each a text or a list of messages; the reply's key leaves
/// the object. Where there is a reply, turns of the assistant in the request are not trained on, unless their weights say so.
pub(super) fn exchange(key: &str, request: &Value, object: &mut Map<String, Value>) -> Result<Turns, Problem> {
    let mut turns = match request {
        Value::String(content) => {
            Turns { messages: vec![Message::new(Role::User, content.clone())], ..Turns::default() }
        }
        Value::Array(_) => list(key, request)?,
        other => {
            let remedy = "make it plain text, or give the turns as `messages`";
            return problem(format!("`{key}` is {}", kind(other)), remedy);
        }
    };
    // An `answer` may be what a grader expects, for example a number; tables have every column in every row.
    let is_reply = |key: &&str| match object.get(*key) {
        None | Some(Value::Null) => false,
        Some(value) => *key != "answer" || value.is_string(),
    };
    let is_empty = |key: &&str| object.get(*key).is_some_and(|value| value == "");
    let mut replies: Vec<&str> = REPLY_KEYS.into_iter().filter(is_reply).collect();
    replies.sort_by_key(is_empty);
    let Some(&key) = replies.first() else { return Ok(turns) };
    if let Some(other) = replies[1..].iter().find(|key| object.get(**key).is_some_and(holds_text)) {
        return told_twice(key, other, "a reply");
    }
    let reply = match unpacked(key, object.shift_remove(key).unwrap_or_default())? {
        Value::String(content) => Turns { messages: vec![Message::new(Role::Assistant, content)], ..Turns::default() },
        messages if key == "completion" && messages.is_array() || are_turns(&messages) => list(key, &messages)?,
        other => return problem(format!("`{key}` is {}", kind(&other)), "make it plain text"),
    };
    let before = turns.messages.len();
    if !turns.weighted {
        let assistant = turns.messages.iter().enumerate().filter(|(_, message)| message.role == Role::Assistant);
        turns.untrained = assistant.map(|(at, _)| at).collect();
    }
    turns.messages.extend(reply.messages);
    turns.untrained.extend(reply.untrained.iter().map(|at| at + before));
    turns.weighted |= reply.weighted;
    Ok(turns)
}

/// A system prompt that stands beside the turns as `system`: it goes before them. One called `system_prompt` does where nothing else
/// says what the system prompt is; beside a system turn it is metadata, such as the prompt that a reply was drawn under.
pub(super) fn with_system(mut turns: Turns, object: &mut Map<String, Value>) -> Result<Turns, Problem> {
    let is_text = |object: &Map<String, Value>, key: &str| object.get(key).and_then(Value::as_str).is_some();
    let is_said = is_text(object, "system") || system_prompt(&turns.messages).is_some();
    if !is_said
        && is_text(object, SYSTEM_PROMPT)
        && let Some(text) = object.shift_remove(SYSTEM_PROMPT)
    {
        object.insert("system".to_owned(), text);
    }
    match object.shift_remove("system") {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) if text.is_empty() => {}
        Some(Value::String(text)) if system_prompt(&turns.messages).is_none() => {
            turns.messages.insert(0, Message::new(Role::System, text));
            turns.untrained.iter_mut().for_each(|at| *at += 1);
        }
        Some(Value::String(_)) => return problem("`system` and a system turn", "keep one of the two system prompts"),
        Some(other) => {
            let remedy = "make it the text of the system prompt, or give the key another name";
            return problem(format!("`system` is {}", kind(&other)), remedy);
        }
    }
    Ok(turns)
}

/// What the chat template may read besides the turns: tools, documents, and the variables in `chat_template_kwargs`, each as itself or as
/// JSON in a text. The keys leave the object.
pub(super) fn variables(object: &mut Map<String, Value>) -> Result<Variables, Problem> {
    let mut variables = Map::new();
    // Tables have every column in every row, and no nesting.
    let mut given = |key: &str| match object.shift_remove(key).filter(|value| !is_nothing(value)) {
        Some(Value::String(text)) => Some(serde_json::from_str(&text).unwrap_or(Value::String(text))),
        value => value,
    };
    for (key, example) in
        [("tools", "make it a list of the tools' descriptions"), ("documents", "make it a list of documents")]
    {
        match given(key) {
            None => {}
            Some(items @ Value::Array(_)) => drop(variables.insert(key.to_owned(), items)),
            Some(Value::String(_)) => return problem(format!("`{key}` is text that is no JSON list"), example),
            Some(other) => {
                return problem(format!("`{key}` is {}", kind(&other)), "make it a list, or give the key another name");
            }
        }
    }
    match given("chat_template_kwargs") {
        None => {}
        Some(Value::Object(given)) => variables.extend(given.into_iter().filter(|(_, value)| !value.is_null())),
        Some(other) => {
            let remedy = "make it an object of names and values, such as {\"enable_thinking\": false}";
            return problem(format!("`chat_template_kwargs` is {}", kind(&other)), remedy);
        }
    }
    Ok(Variables(variables))
}
