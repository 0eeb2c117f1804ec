//! The integrator: optimiser steps on margins alone, without the parameters behind them.
//!
//! In each step a batch with `n` rows of a kind pushes `c_D = n_good σ(−x/s) − n_bad σ(x/s)` along `D` and `c_O = (n_good +
//! n_bad) ρ` along `O`, over batch · divisor. Plain descent, with momentum or without, moves a margin by
//! `lr Σ_j b_j ⟨D_j, ∇m⟩`, where `b` are the pushes or their running sum. Adam keeps running means `b` of the pushes and
//! `v` of the squares in every bucket, and moves it by `lr Σ_b Σ_j b_j K_jb / (√v̂_b + eps)`. The gradient is clipped by
//! its expected norm. Directions stay those of the base model, or go over to those of its pilots: that is the approximation.

use super::kernel::{Contraction, Kernel};
use crate::plan::Optimiser;

/// What a batch holds: good and bad rows of every kind that is trained.
pub type Counts = Vec<[f64; 2]>;

/// One stage as the integrator takes it.
#[derive(Clone, Debug)]
pub struct Stretch {
    /// Update rule.
    pub optimiser: Optimiser,
    /// Learning rate of every step.
    pub rates: Vec<f64>,
    /// What a batch's pushes are divided by: its rows times the loss's divisor.
    pub weight: f64,
    /// Longest gradient; 0 is no limit.
    pub clip: f64,
    /// The batches, `[steps]`.
    pub batches: Vec<Counts>,
}

/// A kernel cut down to the kinds that are trained and the probes that are asked for.
#[derive(Clone, Debug)]
pub struct Motion {
    kinds: usize,
    probes: usize,
    outputs: usize,
    buckets: usize,
    /// `[directions][outputs]`
    plain: Vec<f64>,
    /// The same at the pilots, or empty.
    plain_there: Vec<f64>,
    /// `[outputs][directions][buckets]`
    by_bucket: Vec<f64>,
    /// `[directions][directions]`
    gram: Vec<f64>,
    /// `[kinds][3]`
    noise: Vec<f64>,
    /// Pairs j ≤ k of directions, twice where they differ, then the noise of every kind, `[pairs + kinds · 3][buckets]`
    squares: Vec<f64>,
    scale: Vec<f64>,
    /// `1 − q₀` of each kind.
    other: Vec<f64>,
    /// How much its rows differ, see [`super::Kind::spread`].
    spread: Vec<f64>,
    start: State,
    /// Where the products change along the way.
    gate: Option<Way>,
}

/// From the base model to its pilots, in the log-odds `x` of a kind that is trained.
#[derive(Clone, Debug)]
struct Way {
    kind: usize,
    from: f64,
    to: f64,
    buckets: usize,
}

/// Where everything stands.
#[derive(Clone, Debug)]
pub struct State {
    /// Changes of the probes' margins since the start, nats.
    pub moved: Vec<f64>,
    /// `x` of every kind.
    pub action: Vec<f64>,
    /// `z` of every kind.
    pub known: Vec<f64>,
}

/// The optimiser's memory.
struct Memory {
    /// Running means or sums of the pushes along each direction.
    first: Vec<f64>,
    /// Running means of squares, `[buckets]`
    second: Vec<f64>,
    steps: i32,
}

impl Motion {
    /// The motion of these kinds and probes of a kernel; `products` is the kernel's whole or one of its replicas.
    pub fn new(kernel: &Kernel, products: &Contraction, kinds: &[usize], probes: &[usize]) -> Self {
        let (all, buckets) = (kernel.moments.directions, kernel.moments.buckets);
        let directions: Vec<usize> = kinds.iter().flat_map(|kind| [2 * kind, 2 * kind + 1]).collect();
        let states = directions.iter().map(|direction| kernel.probes.len() + direction);
        let outputs: Vec<usize> = probes.iter().copied().chain(states).collect();
        let products_of = |all: &[f64]| -> Vec<f64> {
            let row = |j: usize| outputs.iter().filter_map(move |l| all.get(j * products.outputs + l).copied());
            directions.iter().flat_map(|&j| row(j).collect::<Vec<_>>()).collect()
        };
        // Whole slices at a time: a plan does this for every mix.
        let mut by_bucket = Vec::with_capacity(outputs.len() * directions.len() * buckets);
        for l in &outputs {
            for j in &directions {
                let at = (j * products.outputs + l) * products.buckets;
                by_bucket.extend_from_slice(&products.by_bucket[at..at + products.buckets]);
            }
        }
        let moments = &kernel.moments;
        let gram = directions.iter().flat_map(|j| directions.iter().map(move |k| moments.gram[j * all + k]));
        let mut squares =
            Vec::with_capacity((directions.len() * (directions.len() + 1) / 2 + 3 * kinds.len()) * buckets);
        for (a, j) in directions.iter().enumerate() {
            for (b, k) in directions.iter().enumerate().skip(a) {
                let (at, begin) = ((j * all + k) * buckets, squares.len());
                squares.extend_from_slice(&moments.squares[at..at + buckets]);
                if a != b {
                    squares[begin..].iter_mut().for_each(|value| *value *= 2.0);
                }
            }
        }
        for kind in kinds {
            squares.extend_from_slice(&moments.noise_by_bucket[kind * 3 * buckets..][..3 * buckets]);
        }
        let noise = kinds.iter().flat_map(|kind| moments.noise[kind * 3..][..3].iter().copied());
        Self {
            kinds: kinds.len(),
            probes: probes.len(),
            outputs: outputs.len(),
            buckets,
            plain: products_of(&products.plain),
            plain_there: products_of(&products.plain_there),
            by_bucket,
            gram: gram.collect(),
            noise: noise.collect(),
            squares,
            scale: moments.scale.clone(),
            other: kinds.iter().map(|&kind| kernel.kinds[kind].other()).collect(),
            spread: kinds.iter().map(|&kind| kernel.kinds[kind].spread).collect(),
            start: State {
                moved: vec![0.0; probes.len()],
                action: kinds.iter().map(|&kind| kernel.kinds[kind].action).collect(),
                known: kinds.iter().map(|&kind| kernel.kinds[kind].known).collect(),
            },
            gate: kernel.gate.as_ref().map(|gate| Way {
                kind: kinds.iter().position(|&kind| kind == gate.kind).unwrap_or(usize::MAX),
                from: kernel.kinds[gate.kind].action,
                to: gate.there,
                buckets: gate.buckets,
            }),
        }
    }

    /// Everything that it computes with, for the page's copy of [`Motion::run`].
    pub(super) fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "kinds": self.kinds, "probes": self.probes, "outputs": self.outputs, "buckets": self.buckets,
            "plain": self.plain, "by_bucket": self.by_bucket, "gram": self.gram, "noise": self.noise,
            "squares": self.squares, "scale": self.scale, "other": self.other, "spread": self.spread,
            "action": self.start.action, "known": self.start.known, "plain_there": self.plain_there,
            "gate": self.gate.as_ref().map(|way| serde_json::json!({ "kind": way.kind, "from": way.from, "to": way.to, "buckets": way.buckets })),
        })
    }

    /// Where it starts.
    pub fn start(&self) -> State {
        self.start.clone()
    }

    /// Goes through a stage from `state`, all movement times `speed`; `seen` is shown every step's end, counted from 1.
    pub fn run(&self, state: &mut State, stretch: &Stretch, speed: f64, mut seen: impl FnMut(usize, &State)) {
        let directions = 2 * self.kinds;
        let mut memory = Memory { first: vec![0.0; directions], second: vec![0.0; self.buckets], steps: 0 };
        let (mut push, mut noise) = (vec![0.0; directions], vec![0.0; 3 * self.kinds]);
        let (mut square, mut root) = (vec![0.0; self.buckets], vec![0.0; self.buckets]);
        let mut change = vec![0.0; self.outputs];
        let mut factors = Vec::new();
        let eps = if let Optimiser::AdamW { eps, .. } = stretch.optimiser { eps } else { 0.0 };
        let floor: Vec<f64> = self.scale.iter().map(|scale| eps / scale + 1e-30).collect();
        for (at, (batch, rate)) in stretch.batches.iter().zip(&stretch.rates).enumerate() {
            self.push(state, batch, stretch.weight, &mut push, &mut noise);
            let kept = self.kept(&push, &noise, stretch.clip);
            push.iter_mut().for_each(|push| *push *= kept);
            noise.iter_mut().for_each(|noise| *noise *= kept * kept);
            memory.steps += 1;
            let gone = self.gone(state);
            match stretch.optimiser {
                Optimiser::Sgd { momentum, .. } => {
                    for (first, push) in memory.first.iter_mut().zip(&push) {
                        *first = momentum * *first + push;
                    }
                    let plain = |at: usize| match self.plain_there.get(at) {
                        Some(there) => (1.0 - gone) * self.plain[at] + gone * there,
                        None => self.plain[at],
                    };
                    for (l, change) in change.iter_mut().enumerate() {
                        *change = (0..directions).map(|j| memory.first[j] * plain(j * self.outputs + l)).sum();
                    }
                    self.go(state, &change, speed * rate);
                }
                Optimiser::AdamW { beta1, beta2, .. } => {
                    for (first, push) in memory.first.iter_mut().zip(&push) {
                        *first = beta1 * *first + (1.0 - beta1) * push;
                    }
                    self.square(&push, &noise, &mut factors, &mut square);
                    let correction = 1.0 / (1.0 - beta2.powi(memory.steps));
                    for b in 0..self.buckets {
                        memory.second[b] = beta2 * memory.second[b] + (1.0 - beta2) * square[b].max(0.0);
                        root[b] = 1.0 / ((memory.second[b] * correction).sqrt() + floor[b]);
                    }
                    if let Some(way) = &self.gate {
                        let (base, there) = root.split_at_mut(way.buckets);
                        base.iter_mut().for_each(|root| *root *= 1.0 - gone);
                        there.iter_mut().for_each(|root| *root *= gone);
                    }
                    let rows = self.by_bucket.chunks_exact(directions * self.buckets);
                    for (change, rows) in change.iter_mut().zip(rows) {
                        *change = weighted_dot(rows, &memory.first, &root);
                    }
                    self.go(state, &change, speed * rate / (1.0 - beta1.powi(memory.steps)));
                }
            }
            seen(at + 1, state);
        }
    }

    /// How far the model has gone towards its pilots, between 0 and 1.
    fn gone(&self, state: &State) -> f64 {
        let gone = |way: &Way| Some((state.action.get(way.kind)? - way.from) / (way.to - way.from));
        self.gate.as_ref().and_then(gone).filter(|gone| gone.is_finite()).map_or(0.0, |gone| gone.clamp(0.0, 1.0))
    }

    /// The pushes of a batch along each direction, and the second moments of what its rows differ in.
    fn push(&self, state: &State, batch: &Counts, weight: f64, push: &mut [f64], noise: &mut [f64]) {
        for (kind, [good, bad]) in batch.iter().enumerate() {
            let likely = super::toy::sigmoid(state.action[kind] / self.spread[kind]);
            let (up, down) = (1.0 - likely, -likely);
            let other = super::toy::sigmoid(-state.known[kind]) / self.other[kind];
            push[2 * kind] = (good * up + bad * down) / weight;
            push[2 * kind + 1] = (good + bad) * other / weight;
            let square = weight * weight;
            noise[3 * kind] = (good * up * up + bad * down * down) / square;
            noise[3 * kind + 1] = (good * up + bad * down) * other / square;
            noise[3 * kind + 2] = (good + bad) * other * other / square;
        }
    }

    /// What clipping leaves of a gradient of the expected norm.
    fn kept(&self, push: &[f64], noise: &[f64], clip: f64) -> f64 {
        if clip <= 0.0 {
            return 1.0;
        }
        let count = push.len();
        let mean: f64 = (0..count).map(|j| push[j] * dot(&self.gram[j * count..][..count], push)).sum();
        let norm = (mean.max(0.0) + self.traces(noise).max(0.0)).sqrt();
        if norm > clip { clip / norm } else { 1.0 }
    }

    fn traces(&self, noise: &[f64]) -> f64 {
        let weights = [1.0, 2.0, 1.0].into_iter().cycle();
        noise.iter().zip(&self.noise).zip(weights).map(|((noise, trace), weight)| weight * noise * trace).sum()
    }

    /// The expected square of a batch's gradient in every bucket.
    fn square(&self, push: &[f64], noise: &[f64], factors: &mut Vec<f64>, square: &mut [f64]) {
        factors.clear();
        for j in 0..push.len() {
            factors.extend(push[j..].iter().map(|other| push[j] * other));
        }
        factors.extend(noise.iter().enumerate().map(|(at, noise)| if at % 3 == 1 { 2.0 * noise } else { *noise }));
        weighted(&self.squares, factors, square);
    }

    fn go(&self, state: &mut State, change: &[f64], step: f64) {
        let (probes, kinds) = change.split_at(self.probes);
        state.moved.iter_mut().zip(probes).for_each(|(moved, change)| *moved += step * change);
        for kind in 0..self.kinds {
            state.action[kind] += step * kinds[2 * kind];
            state.known[kind] += step * kinds[2 * kind + 1] / self.other[kind];
        }
    }
}

/// Lanes of a block of sums that stays in registers.
const BLOCK: usize = 32;

/// `Σ_r factor_r row_r` of rows as wide as the result, in blocks that stay in registers.
fn weighted(rows: &[f64], factors: &[f64], result: &mut [f64]) {
    let width = result.len();
    for (block, result) in result.chunks_mut(BLOCK).enumerate() {
        let mut sums = [0.0; BLOCK];
        for (row, factor) in rows.chunks_exact(width).zip(factors) {
            let row = &row[block * BLOCK..][..result.len()];
            match row.first_chunk::<BLOCK>() {
                Some(row) => (0..BLOCK).for_each(|lane| sums[lane] = factor.mul_add(row[lane], sums[lane])),
                None => sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += factor * value),
            }
        }
        result.copy_from_slice(&sums[..result.len()]);
    }
}

/// `Σ_b root_b Σ_r factor_r row_rb`, block by block like [`weighted`].
fn weighted_dot(rows: &[f64], factors: &[f64], root: &[f64]) -> f64 {
    let (blocks, rest) = root.as_chunks::<BLOCK>();
    let mut lanes = [0.0; BLOCK];
    let weighted = || rows.chunks_exact(root.len()).zip(factors);
    for (block, root) in blocks.iter().enumerate() {
        let mut sums = [0.0; BLOCK];
        for (row, factor) in weighted() {
            let row: &[f64; BLOCK] = row[block * BLOCK..].first_chunk().expect("a block lies within");
            (0..BLOCK).for_each(|lane| sums[lane] = factor.mul_add(row[lane], sums[lane]));
        }
        (0..BLOCK).for_each(|lane| lanes[lane] = sums[lane].mul_add(root[lane], lanes[lane]));
    }
    let mut total = lanes.iter().sum::<f64>();
    for (row, factor) in weighted() {
        total += factor * rest.iter().zip(&row[blocks.len() * BLOCK..]).map(|(root, value)| root * value).sum::<f64>();
    }
    total
}

/// In lanes, so that it becomes vector instructions.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 16];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..16 {
            lanes[lane] = a[lane].mul_add(b[lane], lanes[lane]);
        }
    }
    lanes.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}
