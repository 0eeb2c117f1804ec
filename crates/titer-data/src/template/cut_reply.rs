//! Replies that a template prints in part: those of models that think cut `<think>…</think>` out of what they are given, and what is
//! cut is neither trained nor scored.

use super::{TemplateError, letters::letters};
use crate::chat::Message;

/// Fails where `printed`, which the template made of turn `turn`, does not hold all that the turn says.
pub(super) fn nothing_cut(messages: &[Message], turn: usize, printed: &str) -> Result<(), TemplateError> {
    let said = messages[turn].content.trim();
    if printed.contains(said) || letters(printed).contains(&letters(said)) {
        Ok(())
    } else {
        Err(TemplateError::CutReply { turn: turn + 1 })
    }
}
