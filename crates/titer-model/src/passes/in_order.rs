//! Gradients of shards, made on several threads and added up in the order of the shards.
//!
//! A sum of floating-point numbers depends on its order, so shards are added one after another whoever is done first:
//! first + second, + third, … What is done before its turn waits. No more shards are under way or waiting than there
//! are threads and one more, so memory does not grow with the batch.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::Scope;

use crate::{backend::Backend, decoder::Decoder, params::Params};

/// The sums of the last batch, and buffers for the next one.
#[derive(Debug)]
pub(super) struct Sums<B: Backend> {
    /// By group; `None` for a group that has no shard in the batch.
    pub(super) groups: Vec<Option<Params<B>>>,
    idle: Vec<Params<B>>,
}

impl<B: Backend> Default for Sums<B> {
    fn default() -> Self {
        Self { groups: Vec::new(), idle: Vec::new() }
    }
}

impl<B: Backend> Sums<B> {
    /// Sums by group, of `count`: shard `i` belongs to group `groups[i]`, and `work(i, zeros)` adds its gradient to the zeros.
    /// Returns what the work returned, by shard. The sums are the same for any number of threads, bit for bit.
    pub(super) fn add_up<R: Send>(
        &mut self,
        decoder: &Decoder<B>,
        groups: &[usize],
        count: usize,
        work: impl Fn(usize, &mut Params<B>) -> R + Sync,
    ) -> Vec<R> {
        self.idle.extend(self.groups.drain(..).flatten());
        let state = State {
            begun: 0,
            added: 0,
            adding: false,
            done: groups.iter().map(|_| None).collect(),
            results: groups.iter().map(|_| None).collect(),
            sums: (0..count).map(|_| None).collect(),
            idle: std::mem::take(&mut self.idle),
        };
        let batch = Batch { decoder, groups, work, state: Mutex::new(state) };
        let at_once = batch.decoder.backend().at_once();
        if at_once == 1 {
            while batch.work_on_next() {
                batch.add_next();
            }
        } else {
            // One more than threads, so that none is idle while a gradient waits for its turn.
            let under_way = (at_once + 1).min(groups.len());
            rayon::scope(|scope| (0..under_way).for_each(|_| batch.spawn(scope)));
        }
        let state = batch.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        (self.groups, self.idle) = (state.sums, state.idle);
        state.results.into_iter().map(|result| result.expect("every shard was worked on")).collect()
    }
}

/// The work on one batch.
struct Batch<'a, B: Backend, R, W> {
    decoder: &'a Decoder<B>,
    groups: &'a [usize],
    work: W,
    state: Mutex<State<B, R>>,
}

/// How far it is.
struct State<B: Backend, R> {
    /// Shards that someone has begun, the first ones.
    begun: usize,
    /// Shards that are in the sums, the first ones.
    added: usize,
    /// Whether someone is adding.
    adding: bool,
    /// Gradients that wait for their turn, by shard.
    done: Vec<Option<Params<B>>>,
    results: Vec<Option<R>>,
    sums: Vec<Option<Params<B>>>,
    idle: Vec<Params<B>>,
}

impl<B: Backend, R: Send, W: Fn(usize, &mut Params<B>) -> R + Sync> Batch<'_, B, R, W> {
    /// Has someone work on the next shard. For every shard that is then added up, another one may be begun.
    fn spawn<'scope>(&'scope self, scope: &Scope<'scope>) {
        scope.spawn(|scope| {
            if self.work_on_next() {
                while self.add_next() {
                    self.spawn(scope);
                }
            }
        });
    }

    /// Works on the first shard that nobody has begun; says whether there was one.
    fn work_on_next(&self) -> bool {
        let (at, buffer) = {
            let mut state = self.state();
            if state.begun == self.groups.len() {
                return false;
            }
            state.begun += 1;
            (state.begun - 1, state.idle.pop())
        };
        let backend = self.decoder.backend();
        let mut gradient = match buffer {
            Some(mut buffer) => {
                buffer.clear(backend);
                buffer
            }
            None => Params::zeros(backend, &self.decoder.layout),
        };
        let result = (self.work)(at, &mut gradient);
        let mut state = self.state();
        (state.done[at], state.results[at]) = (Some(gradient), Some(result));
        true
    }

    /// Adds the shard whose turn it is; says whether it did: not where that shard is not done, or someone else is adding, who
    /// will see to it.
    fn add_next(&self) -> bool {
        let (group, sum, gradient) = {
            let mut state = self.state();
            let at = state.added;
            if state.adding || at == self.groups.len() {
                return false;
            }
            let Some(gradient) = state.done[at].take() else { return false };
            state.adding = true;
            let group = self.groups[at];
            (group, state.sums[group].take(), gradient)
        };
        let (sum, idle) = match sum {
            None => (gradient, None),
            Some(mut sum) => {
                sum.add_scaled(self.decoder.backend(), 1.0, &gradient);
                (sum, Some(gradient))
            }
        };
        let mut state = self.state();
        state.sums[group] = Some(sum);
        state.idle.extend(idle);
        state.added += 1;
        state.adding = false;
        true
    }

    fn state(&self) -> MutexGuard<'_, State<B, R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        backend::Cpu,
        shape::{Config, Variant},
    };

    fn decoder() -> Decoder<Cpu<f32>> {
        let config = Config {
            vocab_size: 5,
            hidden_size: 4,
            intermediate_size: 4,
            num_hidden_layers: 1,
            num_attention_heads: 1,
            num_key_value_heads: 1,
            head_dim: None,
            max_position_embeddings: 8,
            rms_norm_eps: 1e-5,
            rope_theta: 10_000.0,
            tie_word_embeddings: true,
            variant: Variant::default(),
        };
        Decoder::new(Cpu::new(), config)
    }

    /// A shard's gradient; sums of these depend on their order.
    fn fill(at: usize, gradient: &mut Params<Cpu<f32>>) {
        for (place, number) in gradient.buffers.iter_mut().flatten().enumerate() {
            *number += (((at * 31 + place * 17) % 101) as f32 - 50.0) * 1.7_f32.powi((at % 9) as i32 * 5);
        }
    }

    fn on<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
    }

    #[test]
    fn sums_are_in_the_order_of_the_shards_whoever_is_done_first() {
        let decoder = decoder();
        let groups = [0, 0, 0, 2, 2, 0, 2, 3, 3, 3, 3, 3, 0, 2, 3, 0, 0];
        let mut wanted: Vec<Option<Params<Cpu<f32>>>> = vec![None; 4];
        for (at, &group) in groups.iter().enumerate() {
            let mut gradient = Params::zeros(decoder.backend(), &decoder.layout);
            fill(at, &mut gradient);
            match &mut wanted[group] {
                Some(sum) => sum.add_scaled(decoder.backend(), 1.0, &gradient),
                none => *none = Some(gradient),
            }
        }
        let bits = |sums: &[Option<Params<Cpu<f32>>>]| -> Vec<Option<Vec<u32>>> {
            let of = |sum: &Params<Cpu<f32>>| sum.buffers.iter().flatten().map(|number| number.to_bits()).collect();
            sums.iter().map(|sum| sum.as_ref().map(of)).collect()
        };
        for threads in [1, 2, 3, 8] {
            let mut sums = Sums::default();
            for _ in 0..2 {
                let results = on(threads, || {
                    sums.add_up(&decoder, &groups, 4, |at, gradient| {
                        std::thread::sleep(Duration::from_micros((at * 7 % 5 * 300) as u64));
                        fill(at, gradient);
                        at
                    })
                });
                assert_eq!(results, (0..groups.len()).collect::<Vec<_>>());
                assert_eq!(bits(&sums.groups), bits(&wanted));
                let (buffers, present) = (sums.idle.len() + sums.groups.iter().flatten().count(), 3);
                assert!(buffers <= threads + 1 + present, "{buffers} buffers for {threads} threads");
            }
        }
    }

    #[test]
    #[should_panic(expected = "the third shard")]
    fn work_that_panics_is_not_waited_for() {
        let decoder = decoder();
        on(2, || {
            Sums::default().add_up(&decoder, &[0; 9], 1, |at, _| assert!(at != 2, "the third shard"));
        });
    }
}
