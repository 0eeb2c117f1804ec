//! Whether log-probabilities are numbers, do not depend on a batch's company or on f32, and are better than guessing.

use titer_data::tokenize::Encoded;
use titer_model::{
    backend::Cpu,
    passes::{reply_log_probs, score},
};

use super::{Check, DoctorError};
use crate::{
    model::{Files, Model},
    rows::{PackedRows, pack},
};

/// Nats by which a reply may differ for the company that it is computed in.
const BATCHING: f64 = 1e-3;
/// Nats a token by which f32 may differ from f64.
const PRECISION: f64 = 1e-3;
/// Nats by which rounding may lift a log-probability above 0.
const ROUNDING: f64 = 1e-3;
/// Nats a token by which replies must be likelier than by guessing evenly.
const BETTER: f64 = 0.5;

/// The largest number; not a number where one of them is none, which `f64::max` would pass over.
pub(super) fn largest(numbers: impl IntoIterator<Item = f64>) -> f64 {
    numbers.into_iter().fold(0.0, |top: f64, number| if number.is_nan() || number > top { number } else { top })
}

/// Whether every reply has a log-probability: a number that is not above 0.
pub(super) fn finite(rows: &PackedRows, log_probs: &[f64]) -> Check {
    const NAME: &str = "log-probabilities";
    let wrong = |log_prob: &f64| !log_prob.is_finite() || *log_prob > ROUNDING;
    let wrong: Vec<(&str, f64)> = rows
        .iter()
        .zip(log_probs)
        .filter(|(_, log_prob)| wrong(log_prob))
        .map(|(row, log_prob)| (row.id.as_str(), *log_prob))
        .collect();
    match wrong.first() {
        None => Check::pass(NAME, format!("all {} replies have one", rows.len())),
        Some((id, log_prob)) => Check::fail(
            NAME,
            format!("{} of {} replies have none: that of `{id}` is {log_prob} nats", wrong.len(), rows.len()),
            "the weights overflow f32: look for values far from 1 in them, or download them again",
        ),
    }
    .with_number(wrong.len() as f64)
}

/// Whether a row's log-probability depends on the other rows of its batch. Every row is there twice, so that none is without
/// company.
pub(super) fn batching(model: &Model, rows: &PackedRows) -> Check {
    const NAME: &str = "batching";
    let log_probs = |rows_of: &[usize]| -> Vec<f64> {
        let shards = rows.pack(model, rows_of);
        let scores = score(&model.decoder, &model.params, &shards);
        shards.iter().zip(scores).flat_map(|(packed, scores)| reply_log_probs(packed, &scores)).collect()
    };
    let twice: Vec<usize> = (0..rows.len()).chain((0..rows.len()).rev()).collect();
    let alone: Vec<f64> = (0..rows.len()).flat_map(|at| log_probs(&[at])).collect();
    let apart = twice.iter().zip(log_probs(&twice)).map(|(&at, together)| (together - alone[at]).abs());
    let worst = largest(apart);
    let finding =
        format!("a reply alone and in company of {} others differs by at most {worst:.1e} nats", twice.len() - 1);
    let check = match worst < BATCHING {
        true => Check::pass(NAME, finding),
        false => {
            Check::fail(NAME, finding, "where log-probabilities are numbers, report this: rows must not see each other")
        }
    };
    check.with_number(worst)
}

/// How far f32 is from f64.
pub(super) fn precision(files: &Files, rows: &PackedRows, single: &[f64]) -> Result<Check, DoctorError> {
    const NAME: &str = "precision";
    let (decoder, params) = files.open_in(Cpu::<f64>::new())?;
    let encoded: Vec<&Encoded> = rows.iter().map(|row| &*row.encoded).collect();
    let shards = pack(&decoder, &encoded);
    let scores = score(&decoder, &params, &shards);
    let double = shards.iter().zip(scores).flat_map(|(packed, scores)| reply_log_probs(packed, &scores));
    let tokens = rows.iter().map(|row| row.targets() as f64);
    let apart =
        single.iter().zip(double).zip(tokens).map(|((single, double), tokens)| (single - double).abs() / tokens);
    let worst = largest(apart);
    let finding = format!("f32 and f64 differ by at most {worst:.1e} nats a token of a reply");
    let check = match worst < PRECISION {
        true => Check::pass(NAME, finding),
        false => Check::fail(
            NAME,
            finding,
            "the weights are so large that f32 is not enough; look for values far from 1 in them",
        ),
    };
    Ok(check.with_number(worst))
}

/// Whether the replies are likelier than a guess among all tokens: weights without training, or another model's tokenizer of the
/// same size, are not told by anything else.
pub(super) fn better_than_chance(model: &Model, rows: &PackedRows, log_probs: &[f64]) -> Check {
    const NAME: &str = "better than chance";
    let tokens: usize = rows.iter().map(|row| row.targets()).sum();
    let surprise = -log_probs.iter().sum::<f64>() / tokens as f64;
    let chance = (model.decoder.config.vocab_size as f64).ln();
    let finding = format!("replies cost {surprise:.2} nats a token; a guess among all tokens costs {chance:.2}");
    let check = match surprise < chance - BETTER {
        true => Check::pass(NAME, finding),
        false => Check::note(
            NAME,
            finding,
            "the model does not know such text: are its weights trained, and is this the tokenizer that they were trained with?",
        ),
    };
    check.with_number(surprise)
}

#[cfg(test)]
mod tests {
    use super::largest;

    #[test]
    fn what_is_no_number_is_never_passed_over() {
        assert_eq!(largest([0.5, 2.0, 1.0]), 2.0);
        assert!(largest([f64::NAN, 1.0]).is_nan() && largest([1.0, f64::NAN]).is_nan());
        assert!(largest([1.0, f64::NAN, 2.0]).is_nan(), "a later number does not hide it");
        assert_eq!(largest([]), 0.0);
    }
}
