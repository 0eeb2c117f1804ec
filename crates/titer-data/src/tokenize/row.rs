//! Rows as tokens, and the loss mask over them.

use super::{
    TokenizeError, Tokenizer,
    span::{is_inside, render},
};
use crate::{
    chat::{Role, Row},
    template::{ChatTemplate, Rendered},
};

/// A row as tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Token ids of the whole chat.
    pub tokens: Vec<u32>,
    /// Which of them carry loss: exactly those that the assistant wrote, the closing token included.
    pub trained: Vec<bool>,
}

/// The tokens of a row, and which of them carry loss.
///
/// Fails when the row cannot be rendered or encoded, has no trained token, or a token is only partly trained.
pub fn encode_row(template: &ChatTemplate, tokenizer: &Tokenizer, row: &Row) -> Result<Encoded, TokenizeError> {
    let mut rendered = render(template, &row.messages, false, &row.id)?;
    leave_out(&mut rendered, row)?;
    let encoding = tokenizer.encode(&rendered.text, &row.id)?;
    let mut trained = Vec::with_capacity(encoding.len());
    let mut spans = rendered.spans.iter().peekable();
    for &(start, end) in encoding.get_offsets() {
        while spans.next_if(|span| span.end <= start).is_some() {}
        trained.push(match spans.peek() {
            Some(span) => is_inside(span, start..end, &rendered, &row.id)?,
            None => false,
        });
    }
    if !trained.contains(&true) {
        return Err(TokenizeError::NothingTrained { id: row.id.clone() });
    }
    Ok(Encoded { tokens: encoding.get_ids().to_vec(), trained })
}

/// Takes the spans of turns away that are not trained on.
fn leave_out(rendered: &mut Rendered, row: &Row) -> Result<(), TokenizeError> {
    if row.untrained.is_empty() {
        return Ok(());
    }
    let assistant = row.messages.iter().enumerate().filter(|(_, message)| message.role == Role::Assistant);
    let turns: Vec<usize> = assistant.map(|(turn, _)| turn).collect();
    if turns.len() != rendered.spans.len() {
        return Err(TokenizeError::Spans { id: row.id.clone(), turns: turns.len(), spans: rendered.spans.len() });
    }
    let mut turns = turns.into_iter();
    rendered.spans.retain(|_| turns.next().is_some_and(|turn| !row.untrained.contains(&turn)));
    Ok(())
}
