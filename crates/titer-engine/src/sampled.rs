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

/// Contexts as tokens, and how replies to them end.
#[derive(Debug)]
pub(crate) struct AskedTokens {
    /// The tokens of each context.
    pub(crate) contexts: Vec<Vec<u32>>,
    stop: u32,
}

impl AskedTokens {
    /// Encodes contexts; `like` is any reply: it shows how replies end. `None` where there is no context.
    ///
    /// # Errors
    /// Where a context cannot be encoded.
    pub(crate) fn encode(model: &Model, asked: &[Asked], like: &str) -> Result<Option<Self>, TokenizeError> {
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
            contexts.push(encoded.context);
        }
        Ok(stop.map(|stop| Self { contexts, stop }))
    }

    /// Whether a token closes a reply.
    pub(crate) fn closes(&self, token: u32) -> bool {
        token == self.stop
    }

    /// What the tokens of a reply say, the closing one apart, without white space around it.
    ///
    /// # Errors
    /// Where they cannot be decoded.
    pub(crate) fn text(&self, model: &Model, reply: &[u32]) -> Result<String, TokenizeError> {
        let said = reply.strip_suffix(&[self.stop]).unwrap_or(reply);
        Ok(model.tokenizer.decode(said)?.trim().to_owned())
    }
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
    let Some(tokens) = AskedTokens::encode(model, asked, like)? else { return Ok(Vec::new()) };
    let each = tokens.contexts.iter().flat_map(|context| std::iter::repeat_n(context.clone(), count));
    let contexts: Vec<Vec<u32>> = each.collect();
    let longest = contexts.iter().map(Vec::len).max().unwrap_or(0);
    let limit = limit.min(model.decoder.config.longest_row() - longest);
    let drawn = sample(&model.decoder, &model.params, &contexts, tokens.stop, limit, seed);
    let rows = drawn.into_iter().enumerate().map(|(at, reply)| {
        let request = &asked[at / count];
        let mut messages = request.context.clone();
        messages.push(Message::new(Role::Assistant, tokens.text(model, &reply)?));
        Ok(Row { variables: request.variables.clone(), ..Row::new(format!("{}/{}", request.id, at % count), messages) })
    });
    rows.collect()
}
