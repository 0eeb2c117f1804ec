//! One chat with a target reply: the row that everything else reads, makes, trains on or measures.

use serde::{Deserialize, Serialize};

use crate::{cell::Cell, variables::Variables};

/// What a row's system prompt is called where it stands beside the turns, as files of candidate prompts call theirs.
pub(crate) const SYSTEM_PROMPT: &str = "system_prompt";

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
    /// What else the message says for the chat template to read, such as `reasoning_content` or `tool_calls`; its content again where
    /// that was given in parts, and null where it was none.
    #[serde(flatten)]
    pub fields: Variables,
}

impl Message {
    /// A message that says nothing else.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), fields: Variables::default() }
    }
}

/// The turns of a chat, and what else its template may read.
#[derive(Clone, Copy, Debug)]
pub struct Chat<'a> {
    /// The turns, in order.
    pub messages: &'a [Message],
    /// Such as `tools`, by name.
    pub variables: &'a Variables,
}

impl<'a, M: AsRef<[Message]> + ?Sized> From<&'a M> for Chat<'a> {
    fn from(messages: &'a M) -> Self {
        Self { messages: messages.as_ref(), variables: Variables::none() }
    }
}

/// The system prompt of a chat, wherever its turn stands: the first, where there are several. `None` where it has no system
/// turn.
pub fn system_prompt(messages: &[Message]) -> Option<&str> {
    let system = messages.iter().find(|message| message.role == Role::System);
    system.map(|message| message.content.as_str())
}

/// The chat without its system turns, wherever they stand.
pub(crate) fn without_system_prompt(messages: &[Message]) -> Vec<Message> {
    messages.iter().filter(|message| message.role != Role::System).cloned().collect()
}

/// The chat with this system prompt in front, in place of all that it had; with none where the text is empty.
pub(crate) fn with_system_prompt(messages: &[Message], prompt: &str) -> Vec<Message> {
    let system = (!prompt.is_empty()).then(|| Message::new(Role::System, prompt));
    system.into_iter().chain(without_system_prompt(messages)).collect()
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
    /// What the chat template may read besides the messages, such as `tools`.
    pub variables: Variables,
    /// Every other key that the source gave.
    pub metadata: serde_json::Map<String, serde_json::Value>,
}

impl Row {
    /// A row of which nothing more is known.
    pub fn new(id: impl Into<String>, messages: Vec<Message>) -> Self {
        Self {
            id: id.into(),
            messages,
            cell: None,
            untrained: Vec::new(),
            variables: Variables::default(),
            metadata: serde_json::Map::new(),
        }
    }

    /// What a row is called that was read from this line, counted from 1, without an id.
    pub(crate) fn id_of_line(line: usize) -> String {
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
        system_prompt(&self.messages)
    }

    /// What its reply says for the chat template to read besides its content, by name.
    pub fn reply_fields(&self) -> impl Iterator<Item = &String> {
        let reply = self.messages.last().filter(|message| message.role == Role::Assistant);
        reply.into_iter().flat_map(|reply| reply.fields.0.keys()).filter(|name| *name != "content")
    }

    /// The row as its template takes it.
    pub fn chat(&self) -> Chat<'_> {
        Chat { messages: &self.messages, variables: &self.variables }
    }

    /// The same row under this system prompt, in place of its own; without one where the text is empty.
    pub fn under(&self, prompt: &str) -> Self {
        // Turns behind a system turn that comes or goes are counted anew.
        let turns = self.messages.iter().enumerate().filter(|(_, message)| message.role != Role::System);
        let first = usize::from(!prompt.is_empty());
        let untrained = turns.enumerate().filter(|(_, (at, _))| self.untrained.contains(at));
        let untrained = untrained.map(|(now, _)| now + first).collect();
        Self { messages: with_system_prompt(&self.messages, prompt), untrained, ..self.clone() }
    }

    /// Whether its source gave it an id.
    pub(crate) fn has_own_id(&self) -> bool {
        self.own_id().is_some()
    }

    /// The id that its source gave it, if it did.
    pub fn own_id(&self) -> Option<&str> {
        Some(self.id.as_str()).filter(|id| !id.starts_with("line-"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_replaces_the_rows_own_wherever_it_stands_and_an_empty_one_takes_it_away() {
        let turns = |roles: [Role; 3]| roles.map(|role| Message::new(role, role.word())).to_vec();
        for (roles, reply) in [
            ([Role::System, Role::User, Role::Assistant], 2),
            ([Role::User, Role::System, Role::Assistant], 2),
            ([Role::User, Role::Assistant, Role::System], 1),
        ] {
            let row = Row { untrained: vec![reply], ..Row::new("r", turns(roles)) };
            let (new, none) = (row.under("new"), row.under(""));
            let said: Vec<&str> = new.messages.iter().map(|message| message.content.as_str()).collect();
            assert_eq!((said, &new.untrained), (vec!["new", "user", "assistant"], &vec![2]));
            assert_eq!((none.system_prompt(), none.messages.len(), &none.untrained), (None, 2, &vec![1]));
        }
    }
}
