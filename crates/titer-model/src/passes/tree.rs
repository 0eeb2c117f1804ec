//! Scoring many replies in many contexts that overlap: every common beginning is computed once.
//!
//! With `P` prompts on `R` rows of two replies each, a prompt is computed once, not `2 R` times, and a request once under
//! every prompt, not twice. Behind two different prompts nothing can be shared: with causal attention every key and
//! value after the first difference depends on it.

use super::score::{reply_log_probs, score};
use crate::{backend::Backend, decoder::Decoder, packed::Packed, params::Params};

/// Tokens that a tree should hold at most: what shares a beginning stays together, and attention on a device works on whole trees.
const SHARD_TOKENS: usize = 1024;

/// Contexts with one reply each, sorted and packed into shards.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    shards: Vec<Packed>,
    /// Which of the rows as given each reply is.
    order: Vec<usize>,
}

impl Tree {
    /// The tree of contexts with a reply each; panics where one of the two is empty.
    pub fn new(rows: &[(&[u32], &[u32])]) -> Self {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        let tokens = |at: usize| rows[at].0.iter().chain(rows[at].1);
        order.sort_by(|&a, &b| tokens(a).cmp(tokens(b)));
        let (mut shards, mut start, mut held) = (Vec::new(), 0, 0);
        for (at, &row) in order.iter().enumerate() {
            let len = tokens(row).count();
            let shared = |before: usize| tokens(before).zip(tokens(row)).take_while(|(a, b)| a == b).count();
            let new = if at == start { len } else { len - shared(order[at - 1]) };
            if held + new > SHARD_TOKENS && at > start {
                shards.push(start..at);
                (start, held) = (at, len);
            } else {
                held += new;
            }
        }
        shards.push(start..rows.len());
        let pack = |range: std::ops::Range<usize>| {
            let mut packed = Packed::new();
            packed.push_tree(order[range].iter().map(|&at| rows[at]));
            packed
        };
        Self { shards: shards.into_iter().filter(|range| !range.is_empty()).map(pack).collect(), order }
    }

    /// Tokens that are computed.
    pub fn tokens(&self) -> usize {
        self.shards.iter().map(|packed| packed.tokens.len()).sum()
    }

    /// Positions at which logits are read.
    pub fn outputs(&self) -> usize {
        self.shards.iter().map(|packed| packed.outputs.len()).sum()
    }

    /// Log-probability of every reply, nats, in the order in which the rows were given.
    pub fn log_probs<B: Backend>(&self, decoder: &Decoder<B>, params: &Params<B>) -> Vec<f64> {
        // A device that wants more at a time gets several trees side by side.
        let together = (decoder.shard_tokens().end() / SHARD_TOKENS).max(1);
        let joined: Vec<Packed>;
        let shards = if together == 1 {
            &self.shards
        } else {
            joined = self.shards.chunks(together).map(join).collect();
            &joined
        };
        let scores = score(decoder, params, shards);
        let in_order = shards.iter().zip(&scores).flat_map(|(packed, scores)| reply_log_probs(packed, scores));
        let mut log_probs = vec![f64::NAN; self.order.len()];
        self.order.iter().zip(in_order).for_each(|(&row, log_prob)| log_probs[row] = log_prob);
        log_probs
    }
}

/// Several shards as one.
fn join(shards: &[Packed]) -> Packed {
    let mut all = Packed::new();
    shards.iter().for_each(|packed| all.append(packed));
    all
}
