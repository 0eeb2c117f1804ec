//! Per-row gradients contracted with a few directions, exactly, in one backward pass over a packed batch.
//!
//! For directions `V_k` shaped like the parameters this gives `⟨∇L_i, V_k⟩` and `‖∇L_i‖²` for every row `i`: the
//! parts of marginal pressure, cosines and row norms. No row's gradient is ever stored: the visitor contracts every
//! layer's captures as the backward pass hands them over.

use super::{Workspace, contraction::RowContraction, shards::on_shards};
use crate::{
    backend::{Backend, RowSums},
    decoder::Decoder,
    packed::Packed,
    params::Params,
};

/// The contractions of every row of every shard, in order, of `L_i = Σ weights · (−log p)` over the row's targets;
/// and each shard's target log-probabilities (nats, `[shards][targets]`).
pub fn contract<B: Backend>(
    workspace: &Workspace<B>,
    decoder: &Decoder<B>,
    params: &Params<B>,
    shards: &[Packed],
    weights: &[Vec<B::Real>],
    directions: &[Params<B>],
) -> (RowSums, Vec<Vec<B::Real>>) {
    let of_shard = |(packed, weights): &(&Packed, &Vec<B::Real>)| {
        workspace.tapes.lend(|tape| {
            let log_probs = decoder.forward(params, packed, tape);
            let mut visitor = RowContraction::new(decoder, packed, directions, None);
            decoder.backward(params, packed, weights, tape, &mut visitor);
            (visitor.finish(decoder.backend()), log_probs)
        })
    };
    let pairs: Vec<_> = shards.iter().zip(weights).collect();
    let each = on_shards(decoder.backend(), &pairs, of_shard);
    let (sums, log_probs): (Vec<RowSums>, Vec<_>) = each.into_iter().unzip();
    (joined(sums, directions.len()), log_probs)
}

/// [`contract`], and in the same pass what [`Workspace::gradient`] gives.
pub fn contract_and_add_up<'w, B: Backend>(
    workspace: &'w mut Workspace<B>,
    decoder: &Decoder<B>,
    params: &Params<B>,
    shards: &[Packed],
    weights: &[Vec<B::Real>],
    directions: &[Params<B>],
) -> (RowSums, &'w Params<B>, Vec<Vec<B::Real>>) {
    let Workspace { tapes, sums, .. } = workspace;
    let each = sums.add_up(decoder, &vec![0; shards.len()], 1, |at, gradient| {
        tapes.lend(|tape| {
            let log_probs = decoder.forward(params, &shards[at], tape);
            let mut visitor = RowContraction::new(decoder, &shards[at], directions, Some(gradient));
            decoder.backward(params, &shards[at], &weights[at], tape, &mut visitor);
            (visitor.finish(decoder.backend()), log_probs)
        })
    });
    let (sums, log_probs): (Vec<RowSums>, Vec<_>) = each.into_iter().unzip();
    (joined(sums, directions.len()), workspace.whole(), log_probs)
}

/// The rows of all shards, in order.
fn joined(shards: Vec<RowSums>, directions: usize) -> RowSums {
    let mut all = RowSums::new(0, directions);
    shards.into_iter().for_each(|sums| all.append(sums));
    all
}
