//! Tokens by their log-probabilities: those that are given, and those of replies that are drawn as somebody wishes.

use rand::RngExt as _;

use super::{
    replies::Replies,
    sample::stream,
    shards,
    shards::{drawing_lengths, on_shards},
    tapes::Tapes,
};
use crate::{backend::Backend, decoder::Decoder, packed::Packed, params::Params, real::Real};

/// A token behind others, with its log-probability there.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoredToken {
    /// Its id.
    pub token: u32,
    /// Its log-probability, nats: the model's own, whatever it was drawn by.
    pub log_prob: f64,
    /// The likeliest tokens in its place with theirs, the likeliest first.
    pub top: Vec<(u32, f64)>,
}

impl ScoredToken {
    /// By the log-probabilities of the whole vocabulary in its place.
    fn of<T: Real>(token: u32, log_probs: &[T], top: usize) -> Self {
        let mut likeliest: Vec<u32> = Vec::new();
        if top > 0 {
            let order = |a: &u32, b: &u32| {
                let log_prob = |id: u32| log_probs[id as usize].f64();
                log_prob(*b).total_cmp(&log_prob(*a)).then(a.cmp(b))
            };
            likeliest = (0..log_probs.len() as u32).collect();
            let top = top.min(likeliest.len());
            likeliest.select_nth_unstable_by(top - 1, order);
            likeliest.truncate(top);
            likeliest.sort_unstable_by(order);
        }
        let with_own = |id: u32| (id, log_probs[id as usize].f64());
        Self { token, log_prob: with_own(token).1, top: likeliest.into_iter().map(with_own).collect() }
    }
}

/// Every token of each row but the first, with `top` alternatives each: `[rows][tokens − 1]`.
///
/// Panics where a token is outside the vocabulary or a row is longer than the model's positions.
pub fn score_tokens<B: Backend>(
    decoder: &Decoder<B>,
    params: &Params<B>,
    rows: &[&[u32]],
    top: usize,
) -> Vec<Vec<ScoredToken>> {
    // Alternatives need the whole vocabulary at every position, which is too much for many rows at once.
    let limit = if top == 0 { decoder.shard_tokens() } else { 1..=1 };
    let lengths: Vec<usize> = rows.iter().map(|row| row.len()).collect();
    let tapes = Tapes::default();
    let scored = |range: &std::ops::Range<usize>| -> Vec<Vec<ScoredToken>> {
        // Nothing comes before the first token of a row, so a row of one has nothing to be computed.
        let rows = &rows[range.clone()];
        let mut packed = Packed::new();
        for row in rows.iter().filter(|row| row.len() > 1) {
            let trained: Vec<bool> = (0..row.len()).map(|at| at > 0).collect();
            packed.push_row(row, &trained);
        }
        if packed.tokens.is_empty() {
            return vec![Vec::new(); rows.len()];
        }
        let vocabulary = decoder.config.vocab_size;
        let scored: Vec<ScoredToken> = tapes.lend(|tape| {
            if top == 0 {
                let log_probs = decoder.score(params, &packed, tape);
                let given = packed.targets.iter().zip(log_probs);
                let plain = |log_prob: B::Real, token| ScoredToken { token, log_prob: log_prob.f64(), top: Vec::new() };
                return given.map(|(target, log_prob)| plain(log_prob, target.token)).collect();
            }
            let log_probs = decoder.log_probs(params, &packed, tape);
            let of = |target: &crate::packed::TargetToken| {
                ScoredToken::of(target.token, &log_probs[target.output as usize * vocabulary..][..vocabulary], top)
            };
            packed.targets.iter().map(of).collect()
        });
        let mut scored = scored.into_iter();
        rows.iter().map(|row| scored.by_ref().take(row.len().saturating_sub(1)).collect()).collect()
    };
    let each = on_shards(decoder.backend(), &shards(&lengths, limit), scored);
    each.into_iter().flatten().collect()
}

/// How a reply is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    /// Divides log-probabilities before a token is drawn by them; 0 takes the likeliest.
    pub temperature: f64,
    /// Drawn from are the likeliest tokens that together have this much of the probability.
    pub top_p: f64,
    /// Tokens at most.
    pub limit: usize,
    /// With `stream`, the key of the reply's random numbers.
    pub seed: u64,
    /// Which of several replies with one seed.
    pub stream: u64,
    /// How many of the likeliest tokens are told with each that is drawn.
    pub top: usize,
}

impl Drawing {
    /// The token that a number in `[0, 1)` draws from these log-probabilities.
    fn choose<T: Real>(&self, log_probs: &[T], uniform: f64) -> u32 {
        let log_prob = |id: u32| log_probs[id as usize].f64();
        let likeliest =
            (0..log_probs.len() as u32).reduce(|best, id| if log_prob(id) > log_prob(best) { id } else { best });
        let likeliest = likeliest.expect("a vocabulary has tokens");
        if self.temperature == 0.0 {
            return likeliest;
        }
        let weight = |id: u32| ((log_prob(id) - log_prob(likeliest)) / self.temperature).exp();
        let mut weights: Vec<(u32, f64)> = (0..log_probs.len() as u32).map(|id| (id, weight(id))).collect();
        let mut sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
        if self.top_p < 1.0 {
            weights.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            let (mut held, mut count) = (0.0, 0);
            while count < weights.len() && (count == 0 || held < self.top_p * sum) {
                held += weights[count].1;
                count += 1;
            }
            weights.truncate(count);
            sum = held;
        }
        let mut left = uniform * sum;
        for &(id, weight) in &weights {
            left -= weight;
            if left < 0.0 {
                return id;
            }
        }
        // Rounding may leave a hair.
        weights.iter().rev().find(|(_, weight)| *weight > 0.0).map_or(likeliest, |(id, _)| *id)
    }
}

/// Draws a reply to each context as its drawing says. After every token, the last one that there is room for too, `goes_on` is told which
/// reply it is and the reply so far, and says whether it goes on. Replies do not depend on what is drawn beside them, but for rounding where there is so much that it is cut
/// otherwise. A context that equals the beginning of the one before it is
/// not computed again.
///
/// Panics where a context is empty, has a token outside the vocabulary, or has with its reply more tokens than the model has positions.
pub fn generate<B: Backend>(
    decoder: &Decoder<B>,
    params: &Params<B>,
    wanted: &[(&[u32], &Drawing)],
    goes_on: &(dyn Fn(usize, &[ScoredToken]) -> bool + Sync),
) -> Vec<Vec<ScoredToken>> {
    let lengths = drawing_lengths(wanted.iter().map(|(context, drawing)| (*context, drawing.limit)));
    let vocabulary = decoder.config.vocab_size;
    let drawn = |range: &std::ops::Range<usize>| -> Vec<Vec<ScoredToken>> {
        let wanted = &wanted[range.clone()];
        let limits: Vec<usize> = wanted.iter().map(|(_, drawing)| drawing.limit).collect();
        let mut streams: Vec<_> = wanted.iter().map(|(_, drawing)| stream(drawing.seed, drawing.stream)).collect();
        let mut replies = Replies::begin(decoder, params, wanted.iter().map(|(context, _)| *context), &limits);
        let mut told: Vec<Vec<ScoredToken>> = vec![Vec::new(); wanted.len()];
        while let open = replies.open()
            && !open.is_empty()
        {
            if open.iter().any(|&row| !told[row].is_empty()) {
                replies.advance();
            }
            let (log_probs, places) = replies.log_probs();
            let tokens: Vec<ScoredToken> = open
                .iter()
                .zip(places)
                .map(|(&row, &place)| {
                    let (drawing, log_probs) = (wanted[row].1, &log_probs[place as usize * vocabulary..][..vocabulary]);
                    ScoredToken::of(drawing.choose(log_probs, streams[row].random()), log_probs, drawing.top)
                })
                .collect();
            for (row, scored) in open.into_iter().zip(tokens) {
                let token = scored.token;
                told[row].push(scored);
                // Asked of the last token too: it may be told to somebody there.
                let more = goes_on(range.start + row, &told[row]) && told[row].len() < limits[row];
                replies.push(row, token, more);
            }
        }
        told
    };
    let each = on_shards(decoder.backend(), &shards(&lengths, decoder.drawing_tokens()), drawn);
    each.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawing(temperature: f64, top_p: f64) -> Drawing {
        Drawing { temperature, top_p, limit: 1, seed: 0, stream: 0, top: 0 }
    }

    #[test]
    fn a_temperature_sharpens_and_a_nucleus_leaves_the_likeliest() {
        let log_probs = [0.1_f64, 0.6, 0.3].map(f64::ln);
        // By order of ids: 0 below .1, 1 below .7, 2 above.
        let plain = drawing(1.0, 1.0);
        assert_eq!([0.05, 0.11, 0.69, 0.71, 0.999].map(|u| plain.choose(&log_probs, u)), [0, 1, 1, 2, 2]);
        // Squared shares are .01, .36, .09 of .46.
        let sharp = drawing(0.5, 1.0);
        assert_eq!([0.02, 0.03, 0.80, 0.81].map(|u| sharp.choose(&log_probs, u)), [0, 1, 1, 2]);
        assert_eq!([0.0, 0.999].map(|u| drawing(0.0, 1.0).choose(&log_probs, u)), [1, 1]);
        // The likeliest two have .9; of them the first has two thirds.
        let nucleus = drawing(1.0, 0.9);
        assert_eq!([0.0, 0.66, 0.67, 0.999].map(|u| nucleus.choose(&log_probs, u)), [1, 1, 2, 2]);
        assert_eq!([0.0, 0.999].map(|u| drawing(1.0, 0.5).choose(&log_probs, u)), [1, 1]);
    }

    #[test]
    fn the_likeliest_come_first_and_equal_ones_by_id() {
        let log_probs = [-3.0_f64, -1.0, -2.0, -1.0];
        let scored = ScoredToken::of(0, &log_probs, 3);
        assert_eq!((scored.log_prob, scored.top), (-3.0, vec![(1, -1.0), (3, -1.0), (2, -2.0)]));
        assert!(ScoredToken::of(2, &log_probs, 0).top.is_empty());
        assert_eq!(ScoredToken::of(2, &log_probs, 9).top.len(), 4);
    }
}
