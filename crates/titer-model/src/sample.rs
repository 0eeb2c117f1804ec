//! Drawing replies from a decoder.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::{
    backend::Backend,
    decoder::{Decoder, Tape},
    packed::Packed,
    params::Params,
    real::Real,
};

/// Draws one reply per context at temperature 1: tokens up to and including `stop`, at most `limit` of them.
///
/// All contexts advance together; each step runs the whole prefix again, which is right for short replies.
pub fn sample<B: Backend>(
    decoder: &Decoder<B>,
    params: &Params<B>,
    contexts: &[Vec<u32>],
    stop: u32,
    limit: usize,
    seed: u64,
) -> Vec<Vec<u32>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut rows = contexts.to_vec();
    let mut open: Vec<usize> = (0..rows.len()).collect();
    let (mut packed, mut tape) = (Packed::new(), Tape::default());
    for _ in 0..limit {
        if open.is_empty() {
            break;
        }
        packed.clear();
        for &row in &open {
            packed.push_context(&rows[row]);
        }
        let log_probs = decoder.log_probs(params, &packed, &mut tape);
        let drawn: Vec<u32> =
            log_probs.chunks_exact(decoder.config.vocab_size).map(|row| draw(row, rng.random())).collect();
        for (&row, &token) in open.iter().zip(&drawn) {
            rows[row].push(token);
        }
        open.retain(|&row| rows[row].last() != Some(&stop));
    }
    rows.iter().zip(contexts).map(|(row, context)| row[context.len()..].to_vec()).collect()
}

/// The token at which the cumulative probability passes `uniform`, a number in `[0, 1)`.
fn draw<T: Real>(log_probs: &[T], uniform: f64) -> u32 {
    let mut left = uniform;
    for (token, log_prob) in log_probs.iter().enumerate() {
        left -= log_prob.f64().exp();
        if left < 0.0 {
            return token as u32;
        }
    }
    log_probs.len() as u32 - 1
}
