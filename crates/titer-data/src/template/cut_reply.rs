//! Replies that a template prints in part: those of models that think cut `<think>…</think>` out of what they are given, and what is
//! cut is neither trained nor scored.

use super::{TemplateError, context::thoughts, letters::letters};
use crate::chat::Message;

/// Fails where `printed`, which the template made of turn `turn`, does not hold all that the turn says.
pub(super) fn nothing_cut(messages: &[Message], turn: usize, printed: &str) -> Result<(), TemplateError> {
    is_in(&messages[turn].content, turn, printed)
}

/// The same of what the turn thinks, where it says so apart from its content.
pub(super) fn no_thought_cut(messages: &[Message], turn: usize, printed: &str) -> Result<(), TemplateError> {
    let thought = thoughts(&messages[turn]).and_then(serde_json::Value::as_str);
    thought.map_or(Ok(()), |thought| is_in(thought, turn, printed))
}

fn is_in(said: &str, turn: usize, printed: &str) -> Result<(), TemplateError> {
    let said = said.trim();
    if printed.contains(said) || letters(printed).contains(&letters(said)) {
        Ok(())
    } else {
        Err(TemplateError::CutReply { turn: turn + 1 })
    }
}
