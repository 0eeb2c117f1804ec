//! The loss mask by markers: what a template itself says that the assistant wrote.
//!
//! Templates mark what the assistant says with `{% generation %} … {% endgeneration %}`, which minijinja does not
//! know. The markers are rewritten to a `{% call %}` block, as which Jinja itself implements them, whose function
//! puts a sentinel character before and after its body. Taken out of the text again, the sentinels are the spans.

use std::ops::Range;

use minijinja::{
    Error, State, Value,
    value::{Kwargs, Rest},
};

use super::TemplateError;
use crate::chat::Message;

/// Opens a span. Both sentinels are private-use characters of the last plane, where fonts put nothing either.
const OPEN: char = '\u{10FFF0}';
/// Closes a span.
const CLOSE: char = '\u{10FFF1}';
/// The function behind the rewritten markers.
pub(super) const GENERATION: &str = "titer_generation";
/// Fails where a message holds a sentinel, which would be taken for a mark.
pub(super) fn without_sentinels(messages: &[Message]) -> Result<(), TemplateError> {
    let sentinel = |message: &Message| message.content.chars().find(|&character| (OPEN..=CLOSE).contains(&character));
    messages.iter().find_map(sentinel).map_or(Ok(()), |character| Err(TemplateError::Sentinel(character)))
}

/// The function that the rewritten markers call: its body between sentinels.
pub(super) fn mark(state: &mut State<'_, '_>, _positional: Rest<Value>, named: Kwargs) -> Result<Value, Error> {
    let body = named.get::<Value>("caller")?.call(state, &[])?;
    Ok(Value::from_safe_string(format!("{OPEN}{body}{CLOSE}")))
}

/// The template with its generation markers as call blocks, whitespace control kept; nothing when it has none.
pub(super) fn rewrite(source: &str) -> Option<String> {
    let mut rewritten = String::with_capacity(source.len() + 64);
    let (mut rest, mut marked) = (source, false);
    while let Some(start) = rest.find("{%") {
        let Some(length) = rest[start..].find("%}") else { break };
        let inner = &rest[start + 2..start + length];
        let controls = |control: char| matches!(control, '-' | '+');
        let opening = inner.len() - inner.trim_start_matches(controls).len();
        let closing = inner.trim_end_matches(controls).len().max(opening);
        let block = match inner[opening..closing].trim() {
            "generation" => Some(format!(" call {GENERATION}() ")),
            "endgeneration" => Some(" endcall ".to_owned()),
            _ => None,
        };
        rewritten.push_str(&rest[..start + 2]);
        match block {
            Some(block) => {
                marked = true;
                rewritten.push_str(&inner[..opening]);
                rewritten.push_str(&block);
                rewritten.push_str(&inner[closing..]);
                rewritten.push_str("%}");
                rest = &rest[start + length + 2..];
            }
            None => rest = &rest[start + 2..],
        }
    }
    rewritten.push_str(rest);
    marked.then_some(rewritten)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_markers_are_rewritten() {
        assert_eq!(rewrite("a {% if generation %} b"), None);
        assert_eq!(rewrite("{%- generation -%}").unwrap(), format!("{{%- call {GENERATION}() -%}}"));
    }
}
