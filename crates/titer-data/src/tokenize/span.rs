//! A chat's text with the spans that carry loss, and where tokens lie in it.

use std::ops::Range;

use super::TokenizeError;
use crate::{
    chat::Message,
    template::{ChatTemplate, Rendered},
};

/// The text of a chat and its spans, see [`ChatTemplate::render`].
pub(super) fn render(
    template: &ChatTemplate,
    messages: &[Message],
    add_generation_prompt: bool,
    id: &str,
) -> Result<Rendered, TokenizeError> {
    template
        .render(messages, add_generation_prompt)
        .map_err(|source| TokenizeError::Template { id: id.to_owned(), source })
}

/// Whether a token lies inside a span; an error when it crosses its edge.
pub(super) fn is_inside(
    span: &Range<usize>,
    token: Range<usize>,
    rendered: &Rendered,
    id: &str,
) -> Result<bool, TokenizeError> {
    if token.start >= span.end || token.end <= span.start {
        return Ok(false);
    }
    if token.start < span.start || token.end > span.end {
        let token = rendered.text.get(token).unwrap_or_default().to_owned();
        return Err(TokenizeError::Straddles { id: id.to_owned(), token });
    }
    Ok(true)
}
