//! Replies drawn from a model in chat contexts, as chat rows that a scorer takes.

use titer_data::{
    chat::{Message, Role, Row},
    probe::{Contrast, Side},
    tokenize::{TokenizeError, encode_contrast},
    variables::Variables,
};
use titer_model::passes::sample;

use crate::model::Model;

/// A context to draw replies in.
#[derive(Clone, Debug)]
pub struct Asked {
    /// A name that is unique among them.
    pub id: String,
    /// The turns before the reply.
    pub context: Vec<Message>,
    /// What the chat template may read besides them.
    pub variables: Variables,
}

/// Draws `count` replies to each context at temperature 1, of at most `limit` tokens, seeded; the row of reply `k` to context
/// `id` is called `id/k`. A reply that hits the limit, or for which the model has no more positions, is cut there. `like` is any reply: it shows how replies end.
///
/// # Errors
/// Where a context cannot be encoded or a reply cannot be decoded.
pub fn draw(
    model: &Model,
    asked: &[Asked],
    like: &str,
    (count, limit): (usize, usize),
    seed: u64,
) -> Result<Vec<Row>, TokenizeError> {
    let (mut contexts, mut stop) = (Vec::new(), None);
    for request in asked {
        let replies = if stop.is_none() { vec![(Side::Plus, like.to_owned())] } else { Vec::new() };
        let contrast = Contrast {
            id: request.id.clone(),
            context: request.context.clone(),
            replies,
            baseline: None,
            variables: request.variables.clone(),
        };
        let encoded = encode_contrast(&model.template, &model.tokenizer, &contrast)?;
        stop = stop.or_else(|| encoded.replies[0].1.last().copied());
        contexts.extend(std::iter::repeat_n(encoded.context, count));
    }
    let Some(stop) = stop else { return Ok(Vec::new()) };
    let longest = contexts.iter().map(Vec::len).max().unwrap_or(0);
    let limit = limit.min(model.decoder.config.longest_row() - longest);
    let drawn = sample(&model.decoder, &model.params, &contexts, stop, limit, seed);
    let rows = drawn.into_iter().enumerate().map(|(at, mut reply)| {
        let request = &asked[at / count];
        reply.pop_if(|last| *last == stop);
        let content = model.tokenizer.decode(&reply)?.trim().to_owned();
        let mut messages = request.context.clone();
        messages.push(Message::new(Role::Assistant, content));
        Ok(Row { variables: request.variables.clone(), ..Row::new(format!("{}/{}", request.id, at % count), messages) })
    });
    rows.collect()
}
