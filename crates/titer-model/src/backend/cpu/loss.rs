//! Log-probabilities over the vocabulary and the gradient of their weighted sum.

use titer_machine::Fused;

use crate::real::Real;

#[inline(always)]
pub(super) fn log_softmax<T: Real>(fused: Fused, logits: &mut [T], vocabulary: usize) {
    const LANES: usize = 16;
    for row in logits.chunks_exact_mut(vocabulary) {
        let (blocks, rest) = row.as_chunks::<LANES>();
        let mut tops = [T::min_value(); LANES];
        for block in blocks {
            for lane in 0..LANES {
                tops[lane] = if block[lane] > tops[lane] { block[lane] } else { tops[lane] };
            }
        }
        let larger = |a: T, b: T| if b > a { b } else { a };
        let top = tops.into_iter().chain(rest.iter().copied()).fold(T::min_value(), larger);
        let mut sums = [T::of(0.0); LANES];
        for block in blocks {
            for lane in 0..LANES {
                sums[lane] += (block[lane] - top).exponential(fused);
            }
        }
        let mut sum = sums.into_iter().fold(T::of(0.0), |a, b| a + b);
        for &x in rest {
            sum += (x - top).exponential(fused);
        }
        let log_sum = top + num_traits::Float::ln(sum);
        for x in row {
            *x -= log_sum;
        }
    }
}

/// The token at which the cumulative probability passes `uniform`, a number in `[0, 1)`.
pub(super) fn draw<T: Real>(log_probs: &[T], uniform: f64) -> u32 {
    let mut left = uniform;
    for (token, log_prob) in log_probs.iter().enumerate() {
        left -= log_prob.f64().exp();
        if left < 0.0 {
            return token as u32;
        }
    }
    log_probs.len() as u32 - 1
}

/// The likeliest tokens, which leave out no more than `tail` of the probability, and their log-probabilities.
pub(super) fn likeliest<T: Real>(log_probs: &[T], tail: f64) -> Vec<(u32, T)> {
    let mut tokens: Vec<usize> = (0..log_probs.len()).collect();
    tokens.sort_unstable_by(|a, b| log_probs[*b].f64().total_cmp(&log_probs[*a].f64()));
    let mut mass = 0.0;
    let kept = tokens.into_iter().take_while(|&token| {
        let more = mass < 1.0 - tail;
        mass += log_probs[token].f64().exp();
        more
    });
    kept.map(|token| (token as u32, log_probs[token])).collect()
}

#[inline(always)]
pub(super) fn backward<T: Real>(
    fused: Fused,
    log_probs: &mut [T],
    rows: &[u32],
    tokens: &[u32],
    weights: &[T],
    vocabulary: usize,
) {
    let mut row_weights = vec![T::of(0.0); log_probs.len() / vocabulary];
    for (&row, &weight) in rows.iter().zip(weights) {
        row_weights[row as usize] += weight;
    }
    for (row, &weight) in log_probs.chunks_exact_mut(vocabulary).zip(&row_weights) {
        for x in row {
            *x = weight * x.exponential(fused);
        }
    }
    for ((&row, &token), &weight) in rows.iter().zip(tokens).zip(weights) {
        log_probs[row as usize * vocabulary + token as usize] -= weight;
    }
}
