//! One JSON object as one row, whichever way its turns are written.

use serde_json::{Map, Value};

use super::{
    earlier::was_read_otherwise,
    problem::{Problem, is_rounded, kind, problem},
    text_turns::unpacked,
    turns::{
        REPLY_KEYS, REPLY_PAIRS, REQUEST_KEYS, Turns, exchange, holds_text, list, told_twice, variables, with_input,
        with_system,
    },
    unread::{adds_to, meant, refuse_masks, refuse_misnamed, refuse_turns},
};
use crate::{
    cell::Cell,
    chat::{Role, Row},
};

/// The keys of whole chats.
const CHAT_KEYS: [&str; 2] = ["messages", "conversations"];

/// Whether an object with this key is a chat or a request.
pub(super) fn holds_turns(key: &str) -> bool {
    CHAT_KEYS.contains(&key) || REQUEST_KEYS.contains(&key)
}

/// How a row's turns are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// Messages of role and content.
    Messages,
    /// The same with a `weight` on messages, as OpenAI's fine-tuning has it: 0 is context, 1 is trained.
    Weighted,
    /// Messages of from and value.
    ShareGpt,
    /// `prompt` or the like, with or without a reply.
    Prompt,
    /// `instruction`, `input` and `output`.
    Alpaca,
}

impl Shape {
    /// In words.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Weighted => "messages with weights (OpenAI fine-tuning)",
            Self::ShareGpt => "conversations (ShareGPT)",
            Self::Prompt => "prompts with or without a completion",
            Self::Alpaca => "instructions (Alpaca)",
        }
    }
}

/// One entry as a row.
pub(super) struct ReadRow {
    pub(super) row: Row,
    /// How it was written.
    pub(super) shape: Shape,
    /// Whether titer 0.1 read it otherwise.
    pub(super) anew: bool,
}

/// The row of one entry, `line` being its number from 1. Keys that mean nothing here become metadata.
pub(super) fn row(value: Value, line: usize) -> Result<ReadRow, Problem> {
    let mut object = match value {
        Value::Object(object) => object,
        // The turns alone.
        Value::Array(turns) if turns.iter().any(Value::is_object) => {
            Map::from_iter([("messages".to_owned(), Value::Array(turns))])
        }
        // A request alone, as lists of questions have it.
        Value::String(request) if !request.trim().is_empty() => {
            Map::from_iter([("prompt".to_owned(), Value::String(request))])
        }
        other => {
            return problem(
                format!("the line is {}, not an object", kind(&other)),
                "write one `{\"messages\": [...]}` object per line",
            );
        }
    };
    let anew = was_read_otherwise(&object);
    let named: Vec<String> = object.keys().cloned().collect();
    refuse_masks(&object)?;
    let (turns, shape) = turns(&mut object)?;
    refuse_misnamed(&object, &named, &turns)?;
    let variables = variables(&mut object)?;
    let cell = match object.shift_remove("cell") {
        None | Some(Value::Null) => None,
        // Tables have every column in every row.
        Some(Value::String(text)) if text.trim().is_empty() => None,
        Some(Value::String(text)) => match text.parse::<Cell>() {
            Ok(cell) => Some(cell),
            Err(error) => return problem("`cell` is not a cell", error.to_string()),
        },
        Some(other) => {
            return problem(format!("`cell` is {}", kind(&other)), "write it as text, for example `bad→good`");
        }
    };
    let id = match object.get("id") {
        Some(Value::String(id)) if id.trim().is_empty() => Some(Row::id_of_line(line)),
        Some(Value::String(id)) => Some(id.clone()),
        Some(Value::Number(id)) if is_rounded(id) => {
            return problem(format!("`id` is {id}, a number whose last digits are not kept"), "write it as text");
        }
        Some(Value::Number(id)) => Some(id.to_string()),
        _ => None,
    };
    if id.is_some() {
        object.shift_remove("id");
    }
    let id = id.unwrap_or_else(|| Row::id_of_line(line));
    let row = Row { id, messages: turns.messages, cell, untrained: turns.untrained, variables, metadata: object };
    Ok(ReadRow { row, shape, anew })
}

/// How many keys of an object are named where none is known.
const KEYS_SHOWN: usize = 8;

/// The turns of an object, whose keys leave it.
fn turns(object: &mut Map<String, Value>) -> Result<(Turns, Shape), Problem> {
    let is_said = |object: &Map<String, Value>, key: &str| object.get(key).is_some_and(|value| !value.is_null());
    let asks = REQUEST_KEYS.iter().any(|key| object.contains_key(*key));
    let empty = || CHAT_KEYS.into_iter().find(|key| !asks && object.contains_key(*key));
    if let Some(key) = CHAT_KEYS.into_iter().find(|key| is_said(object, key)).or_else(empty) {
        let messages = object.shift_remove(key).unwrap_or_default();
        let turns = list(key, &messages)?;
        let is_answered = turns.messages.last().is_some_and(|turn| turn.role == Role::Assistant);
        // An `answer` beside a chat that has its reply, or its two replies, may be what a grader expects.
        let beside = CHAT_KEYS.into_iter().chain(REQUEST_KEYS).chain(["input"]).chain(REPLY_KEYS);
        let is_pair = REPLY_PAIRS.iter().any(|(plus, minus)| is_said(object, plus) && is_said(object, minus));
        let mut beside = beside.filter(|key| *key != "answer" || !(is_answered || is_pair));
        match beside.find(|key| object.get(*key).is_some_and(|value| adds_to(value, &turns))) {
            Some(reply) if REPLY_KEYS.contains(&reply) && !is_answered => {
                return problem(
                    format!("`{key}` ends without a reply, and `{reply}` stands beside it"),
                    format!("put it into `{key}` as the last turn, or call it by another name"),
                );
            }
            Some(more) => return told_twice(key, more, "turns"),
            None => {}
        }
        refuse_turns(object, key, &turns)?;
        let turns = with_system(turns, object)?;
        let shape = match (turns.shared, turns.weighted) {
            (true, _) => Shape::ShareGpt,
            (false, true) => Shape::Weighted,
            (false, false) => Shape::Messages,
        };
        return Ok((turns, shape));
    }
    // Tables have every column in every row.
    let is_there = |key: &&str| object.get(*key).is_some_and(|value| !value.is_null() && value != "");
    let key = REQUEST_KEYS.into_iter().find(is_there);
    let Some(key) = key.or_else(|| REQUEST_KEYS.into_iter().find(|key| object.contains_key(*key))) else {
        let keys: Vec<String> = object.keys().take(KEYS_SHOWN).map(|key| format!("`{key}`")).collect();
        let there = if keys.is_empty() { String::new() } else { format!("; there is {}", keys.join(", ")) };
        let nearly = object.keys().find_map(|key| Some((key, meant(key).filter(|meant| holds_turns(meant))?)));
        let remedy = match nearly {
            Some((key, meant)) => format!("write `{meant}` in place of `{key}`"),
            None => "give the chat as `messages` or `conversations`, or the request as `prompt`".to_owned(),
        };
        return problem(format!("no `messages`, no `conversations` and no `prompt`{there}"), remedy);
    };
    let request = unpacked(key, object.shift_remove(key).unwrap_or_default())?;
    let (request, shape) = match key {
        "instruction" => (with_input(request, object)?, Shape::Alpaca),
        "question" | "query" => (with_input(request, object)?, Shape::Prompt),
        _ => (request, Shape::Prompt),
    };
    let other = REQUEST_KEYS.into_iter().chain(["input"]).find(|key| object.get(*key).is_some_and(holds_text));
    if let Some(other) = other {
        return told_twice(key, other, "a request");
    }
    let turns = exchange(key, &request, object)?;
    refuse_turns(object, key, &turns)?;
    Ok((with_system(turns, object)?, shape))
}
