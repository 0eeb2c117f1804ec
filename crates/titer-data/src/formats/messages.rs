//! One JSON object as one row: a list of `messages`, or a `prompt` with or without a reply.

use serde_json::{Map, Value};

use crate::{
    cell::Cell,
    chat::{Message, Role, Row},
};

/// What is wrong with an object, and what to do about it.
pub(super) struct Problem {
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

fn problem<T>(problem: impl Into<String>, remedy: impl Into<String>) -> Result<T, Problem> {
    Err(Problem { problem: problem.into(), remedy: remedy.into() })
}

/// Keys of a message that change which tokens are trained or what the reply is: dropping them would be silent.
const REFUSED: [&str; 4] = ["tool_calls", "function_call", "weight", "train"];

/// The row of one line, `line` being its 1-based number.
pub(super) fn row(value: Value, line: usize) -> Result<Row, Problem> {
    let Value::Object(mut object) = value else {
        return problem(
            format!("the line is {}, not an object", kind(&value)),
            "write one `{\"messages\": [...]}` object per line",
        );
    };
    let messages = if let Some(messages) = object.shift_remove("messages") {
        conversation(&messages)?
    } else if let Some(prompt) = object.shift_remove("prompt") {
        exchange(prompt, &mut object)?
    } else {
        return problem("no `messages` and no `prompt`", "give the chat as `messages` or the request as `prompt`");
    };
    let cell = match object.shift_remove("cell") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => match text.parse::<Cell>() {
            Ok(cell) => Some(cell),
            Err(error) => return problem("`cell` is not a cell", error.to_string()),
        },
        Some(other) => {
            return problem(format!("`cell` is {}", kind(&other)), "write it as text, for example `bad→good`");
        }
    };
    let id = match object.get("id") {
        Some(Value::String(id)) => Some(id.clone()),
        Some(Value::Number(id)) => Some(id.to_string()),
        _ => None,
    };
    if id.is_some() {
        object.shift_remove("id");
    }
    Ok(Row { id: id.unwrap_or_else(|| Row::id_of_line(line)), messages, cell, metadata: object })
}

/// The turns of a `messages` list.
fn conversation(messages: &Value) -> Result<Vec<Message>, Problem> {
    let Value::Array(messages) = messages else {
        return problem(
            format!("`messages` is {}", kind(messages)),
            "make it a list of `{\"role\", \"content\"}` objects",
        );
    };
    if messages.is_empty() {
        return problem("`messages` is empty", "add the turns of the chat, or remove the line");
    }
    messages.iter().enumerate().map(|(k, message)| turn(message, k + 1)).collect()
}

fn turn(message: &Value, number: usize) -> Result<Message, Problem> {
    let Value::Object(message) = message else {
        return problem(
            format!("message {number} is {}", kind(message)),
            "write it as `{\"role\": \"user\", \"content\": \"...\"}`",
        );
    };
    let role = match message.get("role") {
        Some(Value::String(word)) => match Role::ALL.into_iter().find(|role| role.word() == word) {
            Some(role) => role,
            None => {
                return problem(
                    format!("message {number} has the unknown role `{word}`"),
                    "use one of `system`, `user`, `assistant`, `tool`",
                );
            }
        },
        Some(other) => {
            return problem(format!("message {number} has a `role` that is {}", kind(other)), "make it text");
        }
        None => return problem(format!("message {number} has no `role`"), "add `\"role\": \"user\"` or another role"),
    };
    if let Some(key) = REFUSED.into_iter().find(|key| message.get(*key).is_some_and(|value| !value.is_null())) {
        return problem(
            format!("message {number} has the key `{key}`, which titer cannot train as given"),
            "remove the key, or write what it means into `content`",
        );
    }
    match message.get("content") {
        Some(Value::String(content)) => Ok(Message { role, content: content.clone() }),
        Some(other) => {
            problem(format!("message {number} has a `content` that is {}", kind(other)), "make it plain text")
        }
        None => problem(format!("message {number} has no `content`"), "add `\"content\": \"...\"`"),
    }
}

/// The turns of a `prompt` and its reply, where there is one; the reply's key leaves the object.
fn exchange(prompt: Value, object: &mut Map<String, Value>) -> Result<Vec<Message>, Problem> {
    let Value::String(content) = prompt else {
        return problem(
            format!("`prompt` is {}", kind(&prompt)),
            "make it plain text, or give the turns as `messages`",
        );
    };
    let mut turns = vec![Message { role: Role::User, content }];
    for key in ["response", "completion", "answer"] {
        match object.get(key) {
            Some(Value::String(_)) => {
                if let Some(Value::String(content)) = object.shift_remove(key) {
                    turns.push(Message { role: Role::Assistant, content });
                }
                break;
            }
            // An `answer` may be what a grader expects, for example a number.
            None | Some(Value::Null) => {}
            Some(_) if key == "answer" => {}
            Some(other) => return problem(format!("`{key}` is {}", kind(other)), "make it plain text"),
        }
    }
    Ok(turns)
}

/// What a JSON value is, in words.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
