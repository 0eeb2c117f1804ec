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

/// Draws replies to each context; the row of reply `k` to context `id` is called `id/k`. A reply that hits the limit, or for which the model has
/// no more positions, is cut there. `like` is any text of the model's words: as a reply it shows how replies end.
///
/// # Errors
/// Where a context cannot be encoded or leaves no room for a reply, or a reply cannot be decoded.
pub fn draw(model: &Model, asked: &[Asked], like: &str, draw: &Draw) -> Result<Vec<Row>, TokenizeError> {
    let positions = model.decoder.config.longest_row();
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
        if encoded.context.len() >= positions {
            let tokens = encoded.context.len() + 1;
            return Err(TokenizeError::TooLong { id: request.id.clone(), tokens, positions });
        }
        stop = stop.or_else(|| encoded.replies[0].1.last().copied());
        contexts.extend(std::iter::repeat_n(encoded.context, draw.count));
    }
    let Some(stop) = stop else { return Ok(Vec::new()) };
    let rows = tokens(model, &contexts, stop, draw).into_iter().enumerate().map(|(at, mut reply)| {
        let finish = if reply.pop_if(|last| *last == stop).is_some() { "stop" } else { "length" };
        let text = model.tokenizer.decode(&reply)?;
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
