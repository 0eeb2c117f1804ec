//! Rows as tokens, and the loss mask over them.

use std::ops::Range;

use super::{
    TokenizeError, Tokenizer,
    span::{Place, place},
};
use crate::{chat::Row, template::ChatTemplate};

/// A row as tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Token ids of the whole chat.
    pub tokens: Vec<u32>,
    /// Which of them carry loss: exactly those that the assistant wrote, the closing token included.
    pub trained: Vec<bool>,
}

impl Encoded {
    /// Where tokens that carry loss stand together, in order.
    pub fn spans(&self) -> impl Iterator<Item = Range<usize>> {
        let mut at = 0;
        let runs = self.trained.chunk_by(|a, b| a == b).map(move |run| {
            at += run.len();
            (run[0], at - run.len()..at)
        });
        runs.filter_map(|(trained, span)| trained.then_some(span))
    }
}

/// The tokens of a row, and which of them carry loss.
///
/// Fails when the row cannot be rendered or encoded, has no trained token, or a token is only partly trained and the template's
/// options do not say to skip it.
pub fn encode_row(template: &ChatTemplate, tokenizer: &Tokenizer, row: &Row) -> Result<Encoded, TokenizeError> {
    let rendered = template
        .render_row(row)
        .map_err(|source| TokenizeError::Template { id: row.id.clone(), source: Box::new(source) })?;
    let encoding = tokenizer.encode(&rendered.text, &row.id)?;
    let mut trained = Vec::with_capacity(encoding.len());
    // A token may lie across two replies that touch.
    let mut joined: Vec<Range<usize>> = Vec::new();
    for span in rendered.spans {
        match joined.last_mut() {
            Some(last) if last.end == span.start => last.end = span.end,
            _ => joined.push(span),
        }
    }
    let mut spans = joined.iter().peekable();
    for &(start, end) in encoding.get_offsets() {
        while spans.next_if(|span| span.end <= start).is_some() {}
        trained.push(match spans.peek().map(|span| place(span, start..end)) {
            Some(Place::Inside) => true,
            Some(Place::Split) if !template.options().skip_split_tokens => {
                return Err(TokenizeError::split(&row.id, &rendered.text, start..end));
            }
            Some(Place::Split | Place::Outside) | None => false,
        });
    }
    if !trained.contains(&true) {
        return Err(TokenizeError::NothingTrained { id: row.id.clone() });
    }
    Ok(Encoded { tokens: encoding.get_ids().to_vec(), trained })
}
