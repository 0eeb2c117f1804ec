//! Rows whose replies the model writes itself: drawn under one prompt where a stage begins, trained under another.
//!
//! The text is what is kept: a drawn reply is rendered and encoded anew under the prompt that it is trained under, as any row is. Replies
//! are drawn from the run's own model, without the vector and the helper that a stage's training passes may have.

use serde_json::json;
use titer::plan::{DrawnPlan, StagePlan};
use titer_data::{
    chat::{Message, Role, Row, system_prompt},
    source::Source,
    tokenize::TokenizeError,
};
use titer_model::passes::{Drawing, ScoredToken, generate};

use crate::{
    guard::rows::{PlannedRow, planned},
    model::Model,
    sampled::{Asked, AskedTokens},
};

/// How often a reply is drawn that is empty or does not end, where chance may make it another.
const TRIES: u64 = 8;

/// Why the replies of a stage cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub enum DrawnError {
    /// Context and reply do not fit into the model.
    #[error(
        "row `{id}` has {tokens} tokens where its reply is drawn, and the model has {positions} positions: that leaves no room for a \
         reply; shorten the row, or the prompt under `drawn`"
    )]
    NoRoom {
        /// Which row.
        id: String,
        /// Tokens before the reply.
        tokens: usize,
        /// What fits.
        positions: usize,
    },
    /// The model says nothing.
    #[error(
        "the model writes nothing in {count} of {of} replies, the first of them to row `{id}`: draw under another prompt, or at a higher \
         temperature"
    )]
    Empty {
        /// How many are empty.
        count: usize,
        /// Of how many.
        of: usize,
        /// The first of them.
        id: String,
    },
    /// Replies do not come to an end.
    #[error(
        "{count} of {of} drawn replies do not end within {limit} tokens, the first of them to row `{id}`: raise `limit` under `drawn`, or \
         draw under a prompt that asks for less"
    )]
    Unended {
        /// How many do not.
        count: usize,
        /// Of how many.
        of: usize,
        /// The first of them.
        id: String,
        /// Tokens that it had.
        limit: usize,
    },
    /// A row cannot be encoded.
    #[error(transparent)]
    Tokenize(#[from] TokenizeError),
}

/// The rows of a stage in the order of training, each with the name of what it is booked on.
#[derive(Debug)]
pub struct StageRows {
    /// Names and rows.
    pub rows: Vec<(String, Row)>,
    /// Those of them whose replies were drawn, to be read: each says under which prompt (`drawn_under`).
    pub drawn: Vec<Row>,
    /// How many replies had to be drawn more than once.
    pub again: usize,
}

/// Makes the rows of a stage; where it says so, the model as it is now writes their replies.
///
/// # Errors
/// Where a reply cannot be had.
pub fn rows_of_stage(model: &Model, source: &Source, stage: &StagePlan, seed: u64) -> Result<StageRows, DrawnError> {
    let planned = planned(stage, seed);
    let mut rows: Vec<(String, Row)> =
        planned.iter().map(|row| (row.booked.to_string(), row.row(source, stage, seed))).collect();
    let Some(plan) = &stage.drawn else { return Ok(StageRows { rows, drawn: Vec::new(), again: 0 }) };
    let (places, asked): (Vec<usize>, Vec<(u64, Row)>) =
        planned.iter().enumerate().filter_map(|(at, row)| Some((at, row.asked(source, stage, seed)?))).unzip();
    let like = places.first().map_or_else(String::new, |&at| rows[at].1.split().1.to_owned());
    let (replies, again) = replies(model, plan, &asked, &like, seed)?;
    let mut drawn = Vec::with_capacity(places.len());
    for ((at, reply), (_, asked)) in places.into_iter().zip(replies).zip(&asked) {
        let row = &mut rows[at].1;
        put(row, reply);
        let mut kept = row.clone();
        kept.id = format!("drawn/{}", kept.id);
        kept.metadata.insert("stage".to_owned(), json!(stage.name));
        kept.metadata.insert("drawn_under".to_owned(), json!(system_prompt(&asked.messages).unwrap_or_default()));
        drawn.push(kept);
    }
    Ok(StageRows { rows, drawn, again })
}

/// A planned row, its reply drawn where it is to be: as a run would train it that began with this model.
///
/// # Errors
/// As [`rows_of_stage`].
pub(crate) fn row(
    model: &Model,
    source: &Source,
    stage: &StagePlan,
    planned: PlannedRow,
    seed: u64,
) -> Result<Row, DrawnError> {
    let mut row = planned.row(source, stage, seed);
    if let (Some(plan), Some(asked)) = (&stage.drawn, planned.asked(source, stage, seed)) {
        let like = row.split().1.to_owned();
        let (mut replies, _) = replies(model, plan, &[asked], &like, seed)?;
        put(&mut row, replies.remove(0));
    }
    Ok(row)
}

/// Gives a row this reply in place of its own.
fn put(row: &mut Row, reply: String) {
    let context = row.split().0.len();
    row.messages.truncate(context);
    row.messages.push(Message::new(Role::Assistant, reply));
}

/// A reply to each of these rows, which have their slots beside them, and how many were drawn more than once.
///
/// What is drawn for a slot depends on the model, the seed and the slot alone.
fn replies(
    model: &Model,
    plan: &DrawnPlan,
    rows: &[(u64, Row)],
    like: &str,
    seed: u64,
) -> Result<(Vec<String>, usize), DrawnError> {
    let asked = |(_, row): &(u64, Row)| Asked {
        id: row.id.clone(),
        context: row.split().0.to_vec(),
        variables: row.variables.clone(),
    };
    let asked: Vec<Asked> = rows.iter().map(asked).collect();
    let Some(tokens) = AskedTokens::encode(model, &asked, like)? else { return Ok((Vec::new(), 0)) };
    let positions = model.decoder.config.longest_row();
    let room = |at: usize| positions.saturating_sub(tokens.contexts[at].len());
    if let Some(at) = (0..rows.len()).find(|&at| room(at) < 2) {
        let (id, tokens) = (asked[at].id.clone(), tokens.contexts[at].len());
        return Err(DrawnError::NoRoom { id, tokens, positions });
    }
    let mut replies: Vec<String> = vec![String::new(); rows.len()];
    let (mut left, mut again): (Vec<usize>, usize) = ((0..rows.len()).collect(), 0);
    for attempt in 0..TRIES {
        let drawing = |at: usize| Drawing {
            temperature: plan.temperature,
            top_p: 1.0,
            limit: plan.limit.min(room(at)),
            seed,
            // A stage has fewer slots than that.
            stream: rows[at].0 | (attempt << 32),
            top: 0,
        };
        let drawings: Vec<Drawing> = left.iter().map(|&at| drawing(at)).collect();
        let wanted: Vec<(&[u32], &Drawing)> =
            left.iter().zip(&drawings).map(|(&at, drawing)| (&*tokens.contexts[at], drawing)).collect();
        let goes_on = |_: usize, so_far: &[ScoredToken]| !is_closed(&tokens, so_far);
        let drawn = generate(&model.decoder, &model.params, &wanted, &goes_on);
        let (mut empty, mut unended) = (Vec::new(), Vec::new());
        for (&at, reply) in left.iter().zip(drawn) {
            let ids: Vec<u32> = reply.iter().map(|scored| scored.token).collect();
            let text = tokens.text(model, &ids)?;
            match (is_closed(&tokens, &reply), text.is_empty()) {
                (true, false) => replies[at] = text,
                (true, true) => empty.push(at),
                (false, _) => unended.push(at),
            }
        }
        left = [&empty[..], &unended[..]].concat();
        left.sort_unstable();
        if left.is_empty() {
            return Ok((replies, again));
        }
        // The likeliest token is the same every time.
        if plan.temperature == 0.0 || attempt + 1 == TRIES {
            let (of, id) = (rows.len(), |at: usize| asked[at].id.clone());
            return Err(match (empty.first(), unended.first()) {
                (_, Some(&at)) => {
                    DrawnError::Unended { count: unended.len(), of, id: id(at), limit: plan.limit.min(room(at)) }
                }
                (Some(&at), None) => DrawnError::Empty { count: empty.len(), of, id: id(at) },
                (None, None) => unreachable!("some are left"),
            });
        }
        again += if attempt == 0 { left.len() } else { 0 };
    }
    unreachable!("the last attempt ends it")
}

/// Whether a reply has come to its end.
fn is_closed(tokens: &AskedTokens, so_far: &[ScoredToken]) -> bool {
    so_far.last().is_some_and(|last| tokens.closes(last.token))
}
