//! One batch on several threads: shards of whole rows, each with its own tape, summed in a fixed order.
//!
//! How a batch is cut depends on the batch alone, never on the number of threads, so results do not either.

use std::sync::{Mutex, PoisonError};

use rayon::iter::{
    IndexedParallelIterator as _, IntoParallelRefIterator as _, IntoParallelRefMutIterator as _, ParallelIterator as _,
};

use crate::{
    backend::Backend,
    decoder::{Decoder, Tape},
    packed::Packed,
    params::Params,
    real::Real,
    visitor::Accumulate,
};

impl<B: Backend> Decoder<B> {
    /// Tokens that a shard should hold at most: the activations of an organism-sized model then stay in a core's cache, and
    /// those of a wide one fit into memory once a thread.
    pub fn shard_tokens(&self) -> usize {
        const NUMBERS: usize = 1 << 18;
        (NUMBERS / self.config.hidden_size).clamp(256, 1024)
    }
}

/// Cuts rows of these lengths into contiguous shards of about equal size, at most about `limit` tokens, as ranges of rows.
/// Their number is a power of two, so that it divides among the threads.
pub fn shards(lengths: &[usize], limit: usize) -> Vec<std::ops::Range<usize>> {
    let total: usize = lengths.iter().sum();
    let count = total.div_ceil(limit).max(1).next_power_of_two();
    let mut ranges = Vec::with_capacity(count);
    let (mut start, mut seen) = (0, 0);
    for (row, length) in lengths.iter().enumerate() {
        seen += length;
        if seen * count >= total * (ranges.len() + 1) && ranges.len() + 1 < count {
            ranges.push(start..row + 1);
            start = row + 1;
        }
    }
    ranges.push(start..lengths.len());
    ranges.retain(|range| !range.is_empty());
    ranges
}

/// The log-probability of every target of every shard, in nats, `[shards][targets]`.
pub fn score<B: Backend>(decoder: &Decoder<B>, params: &Params<B>, shards: &[Packed]) -> Vec<Vec<B::Real>> {
    let tapes = Tapes::default();
    shards.par_iter().map(|packed| tapes.lend(|tape| decoder.score(params, packed, tape))).collect()
}

/// Tapes for whoever needs one, reused: there are never more than threads at work.
#[derive(Debug)]
pub(crate) struct Tapes<B: Backend>(Mutex<Vec<Tape<B>>>);

impl<B: Backend> Default for Tapes<B> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<B: Backend> Tapes<B> {
    /// Works with a tape, in whatever state the last work left it.
    pub(crate) fn lend<R>(&self, work: impl FnOnce(&mut Tape<B>) -> R) -> R {
        let idle = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tape = idle().pop().unwrap_or_default();
        let result = work(&mut tape);
        idle().push(tape);
        result
    }
}

/// Sums each target's log-probability into its reply: nats per reply, `[replies]`.
pub fn reply_log_probs<T: Real>(packed: &Packed, target_log_probs: &[T]) -> Vec<f64> {
    let mut sums = vec![0.0; packed.replies as usize];
    for (target, log_prob) in packed.targets.iter().zip(target_log_probs) {
        sums[target.reply as usize] += log_prob.f64();
    }
    sums
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_cover_all_rows_once_and_are_balanced() {
        let lengths: Vec<usize> = (0..130).map(|row| 15 + row % 11).collect();
        let cut = shards(&lengths, 1024);
        assert_eq!(cut.len(), 4);
        assert_eq!(cut.iter().flat_map(Clone::clone).collect::<Vec<_>>(), (0..130).collect::<Vec<_>>());
        let sizes: Vec<usize> = cut.iter().map(|range| lengths[range.clone()].iter().sum()).collect();
        assert!(sizes.iter().all(|size| size.abs_diff(sizes[0]) < 60), "{sizes:?}");
        assert_eq!(shards(&[5], 1024).len(), 1);
        assert_eq!(shards(&[3000, 10], 1024), [0..1, 1..2]);
    }
}
