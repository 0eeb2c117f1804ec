//! One JSON object as one row, whichever way its turns are written.

use serde_json::{Map, Value};

use super::{
    problem::{Problem, kind, problem},
    turns::{Turns, exchange, list, variables, with_system},
};
use crate::{cell::Cell, chat::Row};

/// The keys under which an object may hold the turns of a chat.
pub(super) const CHAT_KEYS: [&str; 4] = ["messages", "conversations", "prompt", "completion"];

/// How a row's turns are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// Messages of role and content.
    Messages,
    /// The same with a `weight` on messages, as OpenAI's fine-tuning has it: 0 is context, 1 is trained.
    Weighted,
    /// Messages of from and value.
    ShareGpt,
    /// `prompt`, with or without a reply.
    Prompt,
}

impl Shape {
    /// In words.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Weighted => "messages with weights (OpenAI fine-tuning)",
            Self::ShareGpt => "conversations (ShareGPT)",
            Self::Prompt => "prompts with or without a completion",
        }
    }
}

/// The row of one entry, `line` being its number from 1, and how it was written. Keys that mean nothing here become
/// metadata.
pub(super) fn row(value: Value, line: usize) -> Result<(Row, Shape), Problem> {
    let mut object = match value {
        Value::Object(object) => object,
        // The turns alone.
        Value::Array(turns) if turns.iter().any(Value::is_object) => {
            Map::from_iter([("messages".to_owned(), Value::Array(turns))])
        }
        other => {
            return problem(
                format!("the line is {}, not an object", kind(&other)),
                "write one `{\"messages\": [...]}` object per line",
            );
        }
    };
    let (turns, shape) = turns(&mut object)?;
    let variables = variables(&mut object)?;
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
    let id = id.unwrap_or_else(|| Row::id_of_line(line));
    Ok((Row { id, messages: turns.messages, cell, untrained: turns.untrained, variables, metadata: object }, shape))
}

/// The turns of an object, whose keys leave it.
fn turns(object: &mut Map<String, Value>) -> Result<(Turns, Shape), Problem> {
    for key in ["messages", "conversations"] {
        let Some(messages) = object.shift_remove(key) else { continue };
        let turns = with_system(list(key, &messages)?, object)?;
        let shape = match (turns.shared, turns.weighted) {
            (true, _) => Shape::ShareGpt,
            (false, true) => Shape::Weighted,
            (false, false) => Shape::Messages,
        };
        return Ok((turns, shape));
    }
    if let Some(prompt) = object.shift_remove("prompt") {
        let turns = exchange(&prompt, object)?;
        return Ok((with_system(turns, object)?, Shape::Prompt));
    }
    problem(
        "no `messages`, no `conversations` and no `prompt`",
        "give the chat as `messages` or `conversations`, or the request as `prompt`",
    )
}
