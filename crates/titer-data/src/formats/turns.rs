//! The ways in which chats are written: role and content, from and value, prompt and reply.

use serde_json::{Map, Value};

use super::problem::{Problem, kind, problem};
use crate::chat::{Message, Role};

/// Keys of a message that change which tokens are trained or what the reply is: dropping them would be silent.
const REFUSED: [&str; 3] = ["tool_calls", "function_call", "train"];

/// The turns of a chat, and which of the assistant's are not trained on.
#[derive(Default)]
pub(super) struct Turns {
    pub(super) messages: Vec<Message>,
    pub(super) untrained: Vec<usize>,
    /// Whether any message says if it is trained on.
    pub(super) weighted: bool,
}

/// The names of roles that ShareGPT's `from` has.
const SPEAKERS: [(&str, Role); 10] = [
    ("system", Role::System),
    ("human", Role::User),
    ("user", Role::User),
    ("gpt", Role::Assistant),
    ("chatgpt", Role::Assistant),
    ("assistant", Role::Assistant),
    ("model", Role::Assistant),
    ("tool", Role::Tool),
    ("observation", Role::Tool),
    ("function_response", Role::Tool),
];

/// A list of messages under `key`; `from` and `value` in place of `role` and `content` where `shared`.
pub(super) fn list(key: &str, messages: &Value, shared: bool) -> Result<Turns, Problem> {
    let names = if shared { ["from", "value"] } else { ["role", "content"] };
    let Value::Array(messages) = messages else {
        let remedy = format!("make it a list of `{{\"{}\", \"{}\"}}` objects", names[0], names[1]);
        return problem(format!("`{key}` is {}", kind(messages)), remedy);
    };
    if messages.is_empty() {
        return problem(format!("`{key}` is empty"), "add the turns of the chat, or remove the line");
    }
    let mut turns = Turns::default();
    for (at, message) in messages.iter().enumerate() {
        let (message, weight) = turn(message, at + 1, names)?;
        turns.weighted |= weight.is_some();
        if weight == Some(false) {
            turns.untrained.push(at);
        }
        turns.messages.push(message);
    }
    Ok(turns)
}

/// A message, and whether it is trained on, where it says so.
fn turn(message: &Value, number: usize, [speaker, said]: [&str; 2]) -> Result<(Message, Option<bool>), Problem> {
    let Value::Object(message) = message else {
        let example = format!("write it as `{{\"{speaker}\": \"user\", \"{said}\": \"...\"}}`");
        return problem(format!("message {number} is {}", kind(message)), example);
    };
    let role = match message.get(speaker) {
        Some(Value::String(word)) => role(word, number, speaker == "from")?,
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
        return problem(
            format!("message {number} has the key `{key}`, which titer cannot train as given"),
            "remove the key, or write what it means into `content`",
        );
    }
    let weight = match (present("weight").map(Value::as_f64), role) {
        (None, _) => None,
        (Some(Some(0.0)), Role::Assistant) => Some(false),
        (Some(Some(1.0)), Role::Assistant) => Some(true),
        _ => {
            let remedy = "only an assistant's message has a weight, and it is 0 or 1";
            return problem(format!("message {number} has a `weight` that says nothing"), remedy);
        }
    };
    match message.get(said) {
        Some(Value::String(content)) => Ok((Message { role, content: content.clone() }, weight)),
        Some(other) => {
            problem(format!("message {number} has a `{said}` that is {}", kind(other)), "make it plain text")
        }
        None => problem(format!("message {number} has no `{said}`"), format!("add `\"{said}\": \"...\"`")),
    }
}

fn role(word: &str, number: usize, shared: bool) -> Result<Role, Problem> {
    let role = match shared {
        true => SPEAKERS.into_iter().find(|(name, _)| *name == word).map(|(_, role)| role),
        false => Role::ALL.into_iter().find(|role| role.word() == word),
    };
    let known = match shared {
        true => "use one of `system`, `human`, `gpt`, `tool`",
        false => "use one of `system`, `user`, `assistant`, `tool`",
    };
    role.map_or_else(|| problem(format!("message {number} has the unknown role `{word}`"), known), Ok)
}

/// The turns of a `prompt` and its reply, where there is one, each a text or a list of messages; the reply's key leaves
/// the object.
pub(super) fn exchange(prompt: &Value, object: &mut Map<String, Value>) -> Result<Turns, Problem> {
    let mut turns = match prompt {
        Value::String(content) => {
            Turns { messages: vec![Message { role: Role::User, content: content.clone() }], ..Turns::default() }
        }
        Value::Array(_) => list("prompt", prompt, false)?,
        other => {
            let remedy = "make it plain text, or give the turns as `messages`";
            return problem(format!("`prompt` is {}", kind(other)), remedy);
        }
    };
    for key in ["response", "completion", "answer"] {
        let more = match object.get(key) {
            Some(Value::String(content)) => vec![Message { role: Role::Assistant, content: content.clone() }],
            Some(messages @ Value::Array(_)) if key == "completion" => list(key, messages, false)?.messages,
            // An `answer` may be what a grader expects, for example a number.
            None | Some(Value::Null) => continue,
            Some(_) if key == "answer" => continue,
            Some(other) => return problem(format!("`{key}` is {}", kind(other)), "make it plain text"),
        };
        object.shift_remove(key);
        turns.messages.extend(more);
        break;
    }
    Ok(turns)
}

/// A system prompt that stands beside the turns: it goes before them.
pub(super) fn with_system(mut turns: Turns, object: &mut Map<String, Value>) -> Result<Turns, Problem> {
    match object.get("system") {
        Some(Value::String(content)) if turns.messages.iter().all(|message| message.role != Role::System) => {
            if !content.is_empty() {
                turns.messages.insert(0, Message { role: Role::System, content: content.clone() });
                turns.untrained.iter_mut().for_each(|at| *at += 1);
            }
            object.shift_remove("system");
            Ok(turns)
        }
        Some(Value::String(_)) => problem("`system` and a system turn", "keep one of the two system prompts"),
        _ => Ok(turns),
    }
}
