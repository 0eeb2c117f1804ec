//! The loss mask by prefixes: what the assistant wrote, for templates that do not mark it.
//!
//! A template without markers is asked again for every assistant turn that is trained: what the chat up to it, with a
//! generation prompt, and the chat with it have between them is what the assistant wrote, closing token included, white space
//! behind that not. That holds only where both are prefixes of the whole, which is checked on every chat.

use std::ops::Range;

use super::{TemplateError, loss_mask_by_markers::ANY_REPLY};
use crate::chat::{Message, Role};

/// What renders messages, with or without the generation prompt.
pub(super) type Text<'a> = dyn Fn(&[Message], bool) -> Result<String, TemplateError> + 'a;

/// What the assistant wrote in turn `turn` of `whole`, the text of `messages`.
///
/// Fails where `text` does, and where the turn is rendered differently once more turns follow.
pub(super) fn span_by_prefixes(
    messages: &[Message],
    turn: usize,
    whole: &str,
    text: &Text<'_>,
) -> Result<Range<usize>, TemplateError> {
    let with = text(&messages[..=turn], false)?;
    // What follows the last turn is free to differ: some templates end a finished chat otherwise.
    let with = with.trim_end();
    match reply_start(&messages[..turn], whole, text)? {
        Some(start) if whole.starts_with(with) && start <= with.len() => Ok(start..with.len()),
        None if reply_start(&messages[..turn], with, text)?.is_none() => {
            Err(TemplateError::OtherPrompt { turn: turn + 1 })
        }
        _ => Err(TemplateError::NotPrefixes { turn: turn + 1 }),
    }
}

/// Where the reply to `context` begins in `whole`, the text of both: behind the generation prompt, or, where that says more than a
/// reply in a chat has before it (`<think>`, in the templates of models that always think), behind what the two share. `None` where the
/// text does not begin with its context.
///
/// Fails where `text` does.
pub(super) fn reply_start(context: &[Message], whole: &str, text: &Text<'_>) -> Result<Option<usize>, TemplateError> {
    let prompt = text(context, true)?;
    if whole.starts_with(&prompt) {
        return Ok(Some(prompt.len()));
    }
    let any = Message::new(Role::Assistant, ANY_REPLY);
    let answered = text(&[context, &[any]].concat(), false)?;
    // All that a reply has before it has to begin the prompt, and be more than nothing: else nothing says where a reply begins.
    let Some(header) = answered.find(ANY_REPLY).map(|at| &answered[..at]) else { return Ok(None) };
    let is_context =
        text(context, false)?.len() < header.len() && prompt.starts_with(header) && whole.starts_with(header);
    Ok(is_context.then_some(header.len()))
}
