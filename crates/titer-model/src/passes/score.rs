//! Log-probabilities of targets and of replies, without a backward pass.

use super::{shards::on_shards, tapes::Tapes};
use crate::{backend::Backend, decoder::Decoder, packed::Packed, params::Params, real::Real};

/// The log-probability of every target of every shard, in nats, `[shards][targets]`.
pub fn score<B: Backend>(decoder: &Decoder<B>, params: &Params<B>, shards: &[Packed]) -> Vec<Vec<B::Real>> {
    let tapes = Tapes::default();
    on_shards(decoder.backend(), shards, |packed| tapes.lend(|tape| decoder.score(params, packed, tape)))
}

/// Sums each target's log-probability into its reply: nats per reply, `[replies]`.
pub fn reply_log_probs<T: Real>(packed: &Packed, target_log_probs: &[T]) -> Vec<f64> {
    let mut sums = vec![0.0; packed.replies as usize];
    for (target, log_prob) in packed.targets.iter().zip(target_log_probs) {
        sums[target.reply as usize] += log_prob.f64();
    }
    sums
}
