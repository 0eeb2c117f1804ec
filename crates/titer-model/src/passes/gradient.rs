//! The gradient of a batch, as a whole or by groups of its rows.

use super::{Accumulate, in_order::Sums, tapes::Tapes};
use crate::{backend::Backend, decoder::Decoder, packed::Packed, params::Params};

/// Tapes and gradients, reused from batch to batch: as many as threads and a few more, however large the batch.
#[derive(Debug)]
pub struct Workspace<B: Backend> {
    pub(super) tapes: Tapes<B>,
    pub(super) sums: Sums<B>,
    total: Option<Params<B>>,
    log_probs: Vec<Vec<B::Real>>,
}

/// The gradient of a batch, and what each group of its rows contributed.
#[derive(Debug)]
pub struct Grouped<'a, B: Backend> {
    /// The sum.
    pub total: &'a Params<B>,
    /// By group; `None` for a group that has no row in the batch.
    pub groups: Vec<Option<&'a Params<B>>>,
    /// Target log-probabilities, nats, `[shards][targets]`.
    pub log_probs: Vec<&'a [B::Real]>,
}

impl<B: Backend> Default for Workspace<B> {
    fn default() -> Self {
        Self { tapes: Tapes::default(), sums: Sums::default(), total: None, log_probs: Vec::new() }
    }
}

impl<B: Backend> Workspace<B> {
    /// The gradient of `Σ weight(shard, target) · (−log p(target))` over all shards, and each shard's target
    /// log-probabilities (nats, `[shards][targets]`). Panics where there is no shard.
    pub fn gradient(
        &mut self,
        decoder: &Decoder<B>,
        params: &Params<B>,
        shards: &[Packed],
        weights: &[Vec<B::Real>],
    ) -> (&Params<B>, Vec<&[B::Real]>) {
        self.backward(decoder, params, shards, weights, &vec![0; shards.len()], 1);
        (self.whole(), self.log_probs.iter().map(Vec::as_slice).collect())
    }

    /// [`Workspace::gradient`], kept apart by group: shard `i` holds rows of group `groups[i]` of `count`.
    pub fn gradient_by_group(
        &mut self,
        decoder: &Decoder<B>,
        params: &Params<B>,
        shards: &[Packed],
        weights: &[Vec<B::Real>],
        groups: &[usize],
        count: usize,
    ) -> Grouped<'_, B> {
        self.backward(decoder, params, shards, weights, groups, count);
        let groups: Vec<_> = self.sums.groups.iter().map(Option::as_ref).collect();
        let mut present = groups.iter().flatten();
        let total = match (present.next(), present.next()) {
            (Some(only), None) => *only,
            _ => {
                let backend = decoder.backend();
                let total = self.total.get_or_insert_with(|| Params::zeros(backend, &decoder.layout));
                total.clear(backend);
                groups.iter().flatten().for_each(|gradient| total.add_scaled(backend, 1.0, gradient));
                &*total
            }
        };
        Grouped { total, groups, log_probs: self.log_probs.iter().map(Vec::as_slice).collect() }
    }

    /// The sum of the last batch, all of it one group.
    pub(super) fn whole(&self) -> &Params<B> {
        self.sums.groups[0].as_ref().expect("a batch has at least one row")
    }

    /// Leaves the groups' gradients in the sums, and every shard's log-probabilities beside them.
    fn backward(
        &mut self,
        decoder: &Decoder<B>,
        params: &Params<B>,
        shards: &[Packed],
        weights: &[Vec<B::Real>],
        groups: &[usize],
        count: usize,
    ) {
        let tapes = &self.tapes;
        self.log_probs = self.sums.add_up(decoder, groups, count, |at, gradient| {
            tapes.lend(|tape| {
                let log_probs = decoder.forward(params, &shards[at], tape);
                decoder.backward(params, &shards[at], &weights[at], tape, &mut Accumulate { gradient });
                log_probs
            })
        });
    }
}
