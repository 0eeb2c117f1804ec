//! One chat with a target reply: the row that everything else reads, makes, trains on or measures.

use serde::{Deserialize, Serialize};

use crate::cell::Cell;

/// Who speaks in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The system prompt.
    System,
    /// The request.
    User,
    /// The reply: what is trained or scored.
    Assistant,
    /// The output of a tool, which is context.
    Tool,
}

impl Role {
    /// Every role, in the order in which tables list them.
    pub const ALL: [Self; 4] = [Self::System, Self::User, Self::Assistant, Self::Tool];

    /// The word for this role in files and templates.
    pub const fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// One turn of a chat.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
}

/// One chat, where it came from, and what is known about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// A name that is unique within its source.
    pub id: String,
    /// The turns, in order.
    pub messages: Vec<Message>,
    /// Which quadrant the row belongs to, where that is known.
    pub cell: Option<Cell>,
    /// Turns of the assistant that carry no loss though they are the assistant's, by their place in `messages`.
    pub untrained: Vec<usize>,
    /// Every other key that the source gave.
    pub metadata: serde_json::Map<String, serde_json::Value>,
}

impl Row {
    /// A row of which nothing more is known.
    pub fn new(id: impl Into<String>, messages: Vec<Message>) -> Self {
        Self { id: id.into(), messages, cell: None, untrained: Vec::new(), metadata: serde_json::Map::new() }
    }

    /// What a row is called that was read from this line, counted from 1, without an id.
    pub fn id_of_line(line: usize) -> String {
        format!("line-{line}")
    }

    /// The turns before the reply, and the reply; empty where the last turn is not the assistant's.
    pub fn split(&self) -> (&[Message], &str) {
        match self.messages.split_last() {
            Some((reply, context)) if reply.role == Role::Assistant => (context, &reply.content),
            _ => (&self.messages, ""),
        }
    }

    /// Its system prompt, empty or not; `None` where it has no system turn.
    pub fn system_prompt(&self) -> Option<&str> {
        let system = self.messages.iter().find(|message| message.role == Role::System);
        system.map(|message| message.content.as_str())
    }

    /// Whether its source gave it an id.
    pub fn has_own_id(&self) -> bool {
        !self.id.starts_with("line-")
    }
}
