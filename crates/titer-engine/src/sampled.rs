//! Replies drawn from a model in chat contexts, as chat rows that a scorer takes.

use titer_data::{
    chat::{Message, Role, Row},
    probe::{Contrast, Side},
    tokenize::{TokenizeError, encode_contrast},
    variables::Variables,
};
use titer_model::passes::{Drawing, ScoredToken, generate, sample};

use crate::model::Model;

/// The key of a drawn row that says what ended its reply: `stop`, or `length` where it was cut.
pub const FINISH: &str = "finish";

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

impl Asked {
    /// Its row with drawn reply `at`, which is called `id/at`.
    pub(crate) fn answered(&self, at: usize, reply: &str, finish: Option<&str>) -> Row {
        let mut messages = self.context.clone();
        messages.push(Message::new(Role::Assistant, reply.trim()));
        let metadata = finish.map(|finish| (FINISH.to_owned(), finish.into())).into_iter().collect();
        Row { variables: self.variables.clone(), metadata, ..Row::new(format!("{}/{at}", self.id), messages) }
    }
}

/// How many replies are drawn to each context, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Draw {
    /// Replies to each context.
    pub count: usize,
    /// Tokens of a reply at most.
    pub limit: usize,
    /// Divides log-probabilities before a token is drawn by them; 0 takes the likeliest.
    pub temperature: f64,
    /// Equal seeds draw equal replies.
    pub seed: u64,
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

/// Draws replies to each context; the row of reply `k` to context `id` is called `id/k`. A reply that hits the limit, or for which the model has
/// no more positions, is cut there. `like` is any text of the model's words: as a reply it shows how replies end.
///
/// # Errors
/// Where a context cannot be encoded or leaves no room for a reply, or a reply cannot be decoded.
pub fn draw(model: &Model, asked: &[Asked], like: &str, draw: &Draw) -> Result<Vec<Row>, TokenizeError> {
    let Some(encoded) = AskedTokens::encode(model, asked, like)? else { return Ok(Vec::new()) };
    let positions = model.decoder.config.longest_row();
    for (request, context) in asked.iter().zip(&encoded.contexts) {
        if context.len() >= positions {
            let tokens = context.len() + 1;
            return Err(TokenizeError::TooLong { id: request.id.clone(), tokens, positions });
        }
    }
    let each = encoded.contexts.iter().flat_map(|context| std::iter::repeat_n(context.clone(), draw.count));
    let contexts: Vec<Vec<u32>> = each.collect();
    let rows = tokens(model, &contexts, encoded.stop, draw).into_iter().enumerate().map(|(at, reply)| {
        let finish = if reply.last().is_some_and(|last| encoded.closes(*last)) { "stop" } else { "length" };
        let text = encoded.text(model, &reply)?;
        Ok(asked[at / draw.count].answered(at % draw.count, &text, Some(finish)))
    });
    rows.collect()
}

/// A reply to each context, up to and including `stop`.
fn tokens(model: &Model, contexts: &[Vec<u32>], stop: u32, draw: &Draw) -> Vec<Vec<u32>> {
    let longest = contexts.iter().map(Vec::len).max().unwrap_or(0);
    let limit = draw.limit.min(model.decoder.config.longest_row() - longest);
    // At temperature 1 the log-probabilities need not leave the device.
    if draw.temperature == 1.0 {
        return sample(&model.decoder, &model.params, contexts, stop, limit, draw.seed);
    }
    let drawing = |place: usize| Drawing {
        temperature: draw.temperature,
        top_p: 1.0,
        limit,
        seed: draw.seed,
        stream: place as u64,
        top: 0,
    };
    let drawings: Vec<Drawing> = (0..contexts.len()).map(drawing).collect();
    let wanted: Vec<(&[u32], &Drawing)> = contexts.iter().map(Vec::as_slice).zip(&drawings).collect();
    let goes_on = |_: usize, reply: &[ScoredToken]| reply.last().is_none_or(|last| last.token != stop);
    let drawn = generate(&model.decoder, &model.params, &wanted, &goes_on);
    drawn.into_iter().map(|reply| reply.into_iter().map(|scored| scored.token).collect()).collect()
}
