//! The loss mask by markers: what a template itself says that the assistant wrote.
//!
//! Templates mark what the assistant says with `{% generation %} … {% endgeneration %}`, which minijinja does not
//! know. The markers are rewritten to a `{% call %}` block (`rewrite.rs`), whose function puts a sentinel character before
//! and after its body. Taken out of the text again, the sentinels are the spans.

use std::ops::Range;

use minijinja::{
    Error, State, Value,
    value::{Kwargs, Rest},
};

use super::TemplateError;
use crate::chat::Message;

/// Opens a span. The sentinels are private-use characters of the last plane, where fonts put nothing either.
const OPEN: char = '\u{10FFF0}';
/// Closes a span.
const CLOSE: char = '\u{10FFF1}';
/// A reply that stands for any other.
pub(super) const ANY_REPLY: char = '\u{10FFF2}';

/// Fails where a message holds a sentinel, which would be taken for a mark.
pub(super) fn without_sentinels(messages: &[Message]) -> Result<(), TemplateError> {
    let sentinel =
        |message: &Message| message.content.chars().find(|&character| (OPEN..=ANY_REPLY).contains(&character));
    messages.iter().find_map(sentinel).map_or(Ok(()), |character| Err(TemplateError::Sentinel(character)))
}

/// The function that the rewritten markers call: its body between sentinels.
pub(super) fn mark(state: &mut State<'_, '_>, _positional: Rest<Value>, named: Kwargs) -> Result<Value, Error> {
    let body = named.get::<Value>("caller")?.call(state, &[])?;
    Ok(Value::from_safe_string(format!("{OPEN}{body}{CLOSE}")))
}

/// The text without its sentinels, and the byte ranges of it that they stood around, in order.
pub(super) fn take_sentinels(marked: &str) -> (String, Vec<Range<usize>>) {
    let mut text = String::with_capacity(marked.len());
    let mut spans: Vec<Range<usize>> = Vec::new();
    let mut rest = marked;
    while let Some(at) = rest.find([OPEN, CLOSE]) {
        text.push_str(&rest[..at]);
        if rest[at..].starts_with(OPEN) {
            spans.push(text.len()..text.len());
        } else if let Some(span) = spans.last_mut() {
            span.end = text.len();
        }
        rest = &rest[at + OPEN.len_utf8()..];
    }
    text.push_str(rest);
    (text, spans)
}
