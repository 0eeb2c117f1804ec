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
use crate::chat::{Message, Role};

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

/// The reply to turns before `turn`, counted from 1, which begins at `start`, among what is marked.
pub(super) fn marked_reply(spans: &[Range<usize>], start: usize, turn: usize) -> Result<Range<usize>, TemplateError> {
    let Some(last) = spans.last() else { return Err(TemplateError::OtherPrompt { turn }) };
    // The closing token may be marked apart.
    let of_reply = &spans[spans.iter().position(|span| span.end > start).unwrap_or(spans.len() - 1)..];
    if of_reply.windows(2).any(|pair| pair[0].end < pair[1].start) {
        return Err(TemplateError::Torn { turn });
    }
    // What is marked may begin with the header, which is context.
    Ok(start.clamp(of_reply[0].start, last.end)..last.end)
}

/// Which turn of the assistant each of `count` spans belongs to, in a template that has not one for each. `render` gives text and spans
/// of other messages in the same places. `None` where that does not say.
pub(super) fn turns_of(
    messages: &[Message],
    count: usize,
    render: impl Fn(&[Message]) -> Option<(String, Vec<Range<usize>>)>,
) -> Option<Vec<usize>> {
    let said = |turn: usize| format!("Turn {turn} of nobody.");
    let marked: Vec<Message> = messages
        .iter()
        .enumerate()
        .map(|(turn, message)| {
            let mut message = Message { content: said(turn), ..message.clone() };
            message.fields.0.shift_remove("content");
            message
        })
        .collect();
    let (text, spans) = render(&marked)?;
    if spans.len() != count {
        return None;
    }
    let is_reply = |turn: &usize| messages[*turn].role == Role::Assistant;
    let places: Vec<Option<usize>> = (0..messages.len()).map(|turn| text.find(&said(turn))).collect();
    let turn_of = |span: Range<usize>| {
        let within = |turn: &usize| places[*turn].is_some_and(|place| span.contains(&place));
        if let Some(turn) = (0..messages.len()).filter(is_reply).find(within) {
            return Some(turn);
        }
        // Without words of a reply it belongs to the only one since the turn of somebody else before it.
        let is_before = |turn: &usize| places[*turn].is_some_and(|place| place < span.start);
        let first = (0..messages.len()).rev().filter(|turn| !is_reply(turn)).find(is_before).map_or(0, |turn| turn + 1);
        let mut replies = (first..messages.len()).take_while(is_reply);
        replies.next().filter(|_| replies.next().is_none())
    };
    spans.into_iter().map(turn_of).collect()
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
