//! Every reply under every prompt, in one tree; and the pressures of the rows under it.

use titer::{screen::Screening, table::ScreenRecord};
use titer_data::{
    cell::Action,
    chat::{Message, Row},
    probe::Side,
    prompt::{CandidatePrompt, Turn},
    tokenize::{TokenizeError, encode_contrast},
};

use super::{Subject, Subjects};
use crate::{
    model::Model,
    pressure::{Directions, Pressing},
    probe::Moment,
    rows::PackedRows,
    scoring::{Scoring, ScoringError},
};

/// A row in a context, waiting for its score.
struct Asked {
    /// Which prompt, and where it goes; `None` for the row as given.
    under: Option<(usize, Turn)>,
    subject: usize,
    action: Action,
    context: Vec<u32>,
    reply: Vec<u32>,
    /// The reply of the other action, where the request has one.
    other: Option<Vec<u32>>,
}

/// Scores every row of `subjects` as given and under every prompt in each of these turns; with directions of a model here, takes its
/// pressures too. `progress` is told of every prompt.
///
/// # Errors
/// Where a row under a prompt cannot be encoded, in which case the error names both, or an endpoint cannot be used.
pub fn screen(
    scoring: &dyn Scoring,
    subjects: &Subjects,
    prompts: &[CandidatePrompt],
    turns: &[Turn],
    pressing: Option<&Pressing<'_>>,
    progress: &(dyn Fn() + Sync),
) -> Result<Screening, ScoringError> {
    let mut asked = Vec::new();
    let under = || prompts.iter().enumerate().flat_map(|(at, _)| turns.iter().map(move |turn| Some((at, *turn))));
    for under in [None].into_iter().chain(under()) {
        for (at, subject) in subjects.iter().enumerate() {
            for action in [Action::Bad, Action::Good] {
                asked.extend(ask(scoring, prompts, under, (at, subject), action)?);
            }
        }
    }
    let pairs: Vec<(&[u32], &[u32])> = asked
        .iter()
        .flat_map(|row| {
            [Some(&row.reply), row.other.as_ref()]
                .into_iter()
                .flatten()
                .map(|reply| (row.context.as_slice(), reply.as_slice()))
        })
        .collect();
    let mut log_probs = scoring.log_probs(&pairs)?.into_iter();
    let mut records = Vec::with_capacity(asked.len());
    // The rows as given come first.
    let mut given = std::collections::BTreeMap::new();
    for row in &asked {
        let log_prob = log_probs.next().unwrap_or(f64::NAN);
        let other = row.other.as_ref().map_or(f64::NAN, |_| log_probs.next().unwrap_or(f64::NAN));
        let margin = log_prob - other;
        let Some((prompt, turn)) = row.under else {
            given.insert((row.subject, row.action), (log_prob, margin));
            continue;
        };
        let (base, base_margin) = given[&(row.subject, row.action)];
        let subject = &subjects.0[row.subject];
        records.push(ScreenRecord {
            prompt: prompts[prompt].name.clone(),
            turn: turn.word().to_owned(),
            request: subject.id.clone(),
            item: subject.of(row.action).map_or_else(String::new, |reply| reply.row.id.clone()),
            action: row.action.word().to_owned(),
            tokens: row.reply.len() as i64,
            log_prob,
            base_log_prob: base,
            margin,
            base_margin,
            pressure_good: f64::NAN,
            pressure_obey_bad: f64::NAN,
            pressure_obey: f64::NAN,
        });
    }
    let places: Vec<(usize, Turn)> = under().flatten().collect();
    match pressing {
        None => places.iter().for_each(|_| progress()),
        Some(pressing) => {
            let press = |model: &Model, directions: &Directions, &(prompt, turn): &(usize, Turn)| {
                let rows = PackedRows::encode(model, &put(subjects, &prompts[prompt], turn))?;
                let pressed = directions.pressures(model, &rows, Moment { stage: "", step: 0 });
                progress();
                Ok(pressed)
            };
            let pressed = pressing.each(&places, press).into_iter().collect::<Result<Vec<_>, TokenizeError>>()?;
            // Rows under a prompt are in the order of the records.
            for (record, pressed) in records.iter_mut().zip(pressed.concat()) {
                [record.pressure_good, record.pressure_obey_bad, record.pressure_obey] = pressed.pressures();
            }
        }
    }
    Ok(Screening { prompts: prompts.to_vec(), records })
}

/// Every row under a prompt, in the order of the records.
fn put(subjects: &Subjects, prompt: &CandidatePrompt, turn: Turn) -> Vec<Row> {
    let each = |subject: &Subject| {
        [Action::Bad, Action::Good].map(|action| subject.of(action).map(|reply| prompt.put(&reply.row, action, turn)))
    };
    subjects.iter().flat_map(each).flatten().collect()
}

fn ask(
    scoring: &dyn Scoring,
    prompts: &[CandidatePrompt],
    under: Option<(usize, Turn)>,
    (at, subject): (usize, &Subject),
    action: Action,
) -> Result<Option<Asked>, TokenizeError> {
    let Some(reply) = subject.of(action) else { return Ok(None) };
    let other = subject.of(if action == Action::Bad { Action::Good } else { Action::Bad });
    let other = other.map(|other| &other.text).filter(|other| **other != reply.text);
    let (context, id): (Vec<Message>, String) = match under {
        None => (reply.context.clone(), reply.row.id.clone()),
        Some((prompt, turn)) => {
            let prompt = &prompts[prompt];
            let id = format!("{}` under prompt `{}", reply.row.id, prompt.name);
            (prompt.context(&reply.context, turn, action == Action::Bad), id)
        }
    };
    let replies = [Some((Side::Plus, reply.text.clone())), other.map(|other| (Side::Minus, other.clone()))];
    let contrast = reply.contrast(id, context, replies.into_iter().flatten().collect());
    let encoded = encode_contrast(scoring.template(), scoring.tokenizer(), &contrast)?;
    let mut replies = encoded.replies.into_iter().map(|(_, reply)| reply);
    let reply = replies.next().expect("a row has a reply");
    Ok(Some(Asked { under, subject: at, action, context: encoded.context, reply, other: replies.next() }))
}
