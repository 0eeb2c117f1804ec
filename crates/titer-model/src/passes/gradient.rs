//! The gradient of a batch: shards of whole rows, each with its own tape, summed in a fixed order.

use rayon::iter::{IndexedParallelIterator as _, IntoParallelRefMutIterator as _, ParallelIterator as _};

use super::{Accumulate, tapes::Tapes};
use crate::{backend::Backend, decoder::Decoder, packed::Packed, params::Params};

/// Tapes and the gradients of the shards of a batch, reused from batch to batch.
#[derive(Debug)]
pub struct Workspace<B: Backend> {
    pub(crate) tapes: Tapes<B>,
    workers: Vec<Worker<B>>,
    total: Option<Params<B>>,
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

/// What one shard needs.
#[derive(Debug)]
pub(crate) struct Worker<B: Backend> {
    pub(crate) gradient: Params<B>,
    pub(crate) log_probs: Vec<B::Real>,
}

impl<B: Backend> Default for Workspace<B> {
    fn default() -> Self {
        Self { tapes: Tapes::default(), workers: Vec::new(), total: None }
    }
}

impl<B: Backend> Workspace<B> {
    /// A worker for each of this many shards, as the last pass left them.
    pub(crate) fn workers(&mut self, decoder: &Decoder<B>, shards: usize) -> (&mut [Worker<B>], &Tapes<B>) {
        self.workers.resize_with(self.workers.len().max(shards), || Worker {
            gradient: Params::zeros(decoder.backend(), &decoder.layout),
            log_probs: Vec::new(),
        });
        (&mut self.workers[..shards], &self.tapes)
    }

    /// The sum of the gradients of this many shards, and their log-probabilities.
    pub(crate) fn sum(&mut self, backend: &B, shards: usize) -> (&Params<B>, Vec<&[B::Real]>) {
        let (first, rest) = self.workers[..shards].split_first_mut().expect("a batch has at least one row");
        for worker in rest.iter() {
            first.gradient.add_scaled(backend, 1.0, &worker.gradient);
        }
        let log_probs = std::iter::once(&*first).chain(&*rest).map(|worker| worker.log_probs.as_slice()).collect();
        (&first.gradient, log_probs)
    }

    /// The gradient of `Σ weight(shard, target) · (−log p(target))` over all shards, and each shard's target
    /// log-probabilities (nats, `[shards][targets]`).
    pub fn gradient(
        &mut self,
        decoder: &Decoder<B>,
        params: &Params<B>,
        shards: &[Packed],
        weights: &[Vec<B::Real>],
    ) -> (&Params<B>, Vec<&[B::Real]>) {
        self.backward(decoder, params, shards, weights);
        self.sum(decoder.backend(), shards.len())
    }

    /// [`Workspace::gradient`], kept apart by group: shard `i` holds rows of group `groups[i]` of `count`. The shards
    /// of a group follow one another.
    pub fn gradient_by_group(
        &mut self,
        decoder: &Decoder<B>,
        params: &Params<B>,
        shards: &[Packed],
        weights: &[Vec<B::Real>],
        groups: &[usize],
        count: usize,
    ) -> Grouped<'_, B> {
        let backend = decoder.backend();
        self.backward(decoder, params, shards, weights);
        let mut first_of = vec![None; count];
        for (at, &group) in groups.iter().enumerate() {
            let first = *first_of[group].get_or_insert(at);
            if first < at {
                let (before, rest) = self.workers.split_at_mut(at);
                before[first].gradient.add_scaled(backend, 1.0, &rest[0].gradient);
            }
        }
        let workers = &self.workers[..shards.len()];
        let groups: Vec<_> = first_of.iter().map(|first| first.map(|at| &workers[at].gradient)).collect();
        let mut present = groups.iter().flatten();
        let total = match (present.next(), present.next()) {
            (Some(only), None) => *only,
            _ => {
                let total = self.total.get_or_insert_with(|| Params::zeros(backend, &decoder.layout));
                total.clear(backend);
                groups.iter().flatten().for_each(|gradient| total.add_scaled(backend, 1.0, gradient));
                &*total
            }
        };
        let log_probs = workers.iter().map(|worker| worker.log_probs.as_slice()).collect();
        Grouped { total, groups, log_probs }
    }

    /// Leaves every shard's gradient and log-probabilities in its worker.
    fn backward(&mut self, decoder: &Decoder<B>, params: &Params<B>, shards: &[Packed], weights: &[Vec<B::Real>]) {
        let backend = decoder.backend();
        let (workers, tapes) = self.workers(decoder, shards.len());
        workers.par_iter_mut().zip(shards).zip(weights).for_each(|((worker, packed), weights)| {
            worker.gradient.clear(backend);
            tapes.lend(|tape| {
                worker.log_probs = decoder.forward(params, packed, tape);
                let mut visitor = Accumulate { gradient: &mut worker.gradient };
                decoder.backward(params, packed, weights, tape, &mut visitor);
            });
        });
    }
}
