//! The loss mask by prefixes: what the assistant wrote, for templates that do not mark it.
//!
//! A template without markers is asked again for every assistant turn: what the chat up to it, with a generation prompt,
//! and the chat with it have between them is what the assistant wrote, closing token included, white space behind that
//! not. That holds only where both are prefixes of the whole, which is checked on every chat.

use std::ops::Range;

use super::TemplateError;
use crate::chat::{Message, Role};

/// What the assistant wrote in `whole`, the text of `messages`: one byte range for each of its turns, in order. `text` renders
/// messages, with or without the generation prompt.
///
/// Fails where `text` does, and where a turn is rendered differently once more turns follow.
pub(super) fn spans_by_prefixes(
    messages: &[Message],
    whole: &str,
    text: impl Fn(&[Message], bool) -> Result<String, TemplateError>,
) -> Result<Vec<Range<usize>>, TemplateError> {
    let assistant = messages.iter().enumerate().filter(|(_, message)| message.role == Role::Assistant);
    let span = |(turn, _)| {
        let (before, with) = (text(&messages[..turn], true)?, text(&messages[..=turn], false)?);
        // What follows the last turn is free to differ: some templates end a finished chat otherwise.
        let with = with.trim_end();
        let proven = whole.starts_with(&before) && whole.starts_with(with) && before.len() <= with.len();
        if proven { Ok(before.len()..with.len()) } else { Err(TemplateError::NotPrefixes { turn: turn + 1 }) }
    };
    assistant.map(span).collect()
}
