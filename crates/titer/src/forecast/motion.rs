//! The integrator: optimiser steps on margins alone, without the parameters behind them.
//!
//! In each step a batch with `n` rows of a kind pushes `c_D = n_good σ(−x/s) − n_bad σ(x/s)` along `D` and `c_O = (n_good +
//! n_bad) ρ` along `O`, over batch · divisor. Plain descent, with momentum or without, moves a margin by
//! `lr Σ_j b_j ⟨D_j, ∇m⟩`, where `b` are the pushes or their running sum. Adam keeps running means `b` of the pushes and
//! `v` of the squares in every bucket, and moves it by `lr Σ_b Σ_j b_j K_jb / (√v̂_b + eps)`. The gradient is clipped by
//! its expected norm. Directions stay those of the base model, or go over to those of its pilots: that is the approximation.
//!
//! A kernel is more than the first cache holds, so many trajectories go through it side by side, one in each lane of vectors.

use serde::Serialize;
use titer_machine::{Fused, vectorized};

use super::kernel::{Gate, Kernel, KernelProducts, Moments};
use crate::{plan::OptimiserPlan, stats::logistic};

/// How many trajectories go side by side. One width for all, so that the steps are compiled once for each instruction set.
pub const LANES: usize = 8;

/// A number of each trajectory that goes side by side.
type Lanes = [f64; LANES];

/// What a batch holds: good and bad rows of every kind that is trained.
pub type Counts = Vec<[f64; 2]>;

/// One stage as the integrator takes it.
#[derive(Clone, Debug)]
pub struct StageBatches {
    /// Update rule.
    pub optimiser: OptimiserPlan,
    /// Learning rate of every step.
    pub rates: Vec<f64>,
    /// What a batch's pushes are divided by: its rows times the loss's divisor.
    pub weight: f64,
    /// Longest gradient; 0 is no limit.
    pub clip: f64,
    /// The batches, `[steps]`.
    pub batches: Vec<Counts>,
}

/// What one training goes through.
#[derive(Clone, Copy, Debug)]
pub struct Trajectory<'a> {
    /// Its stages.
    pub stages: &'a [StageBatches],
    /// What all movement is multiplied by.
    pub speed: f64,
}

/// The changes of the probes' margins after so many steps, nats, `[probes][trajectories]`.
pub type Moved = (usize, Vec<[f64; LANES]>);

/// A kernel cut down to the kinds that are trained and the probes that are asked for, in the order in which it is read.
#[derive(Clone, Debug)]
pub struct Motion {
    kinds: usize,
    probes: usize,
    outputs: usize,
    buckets: usize,
    base: Products,
    /// Where they change along the way.
    pilots: Option<PilotProducts>,
    scale: Vec<f64>,
    /// `1 − q₀` of each kind.
    other: Vec<f64>,
    /// How much its rows differ, see [`super::Kind::spread`].
    spread: Vec<f64>,
    /// `x` of each kind at the start.
    action: Vec<f64>,
    /// `z` of each kind at the start.
    known: Vec<f64>,
}

/// What a step is made of, at one state of the model.
#[derive(Clone, Debug, Serialize)]
struct Products {
    /// `[outputs][directions]`
    plain: Vec<f64>,
    /// `[buckets][outputs][directions]`
    by_bucket: Vec<f64>,
    /// What the gradient's squared norm is of a [`Batch`]'s factors, `[factors]`
    norm: Vec<f64>,
    /// What its mean square in every bucket is, `[buckets][factors]`
    squares: Vec<f64>,
}

/// From the base model to its pilots, in the log-odds `x` of a kind that is trained.
#[derive(Clone, Debug, Serialize)]
struct PilotProducts {
    kind: usize,
    from: f64,
    to: f64,
    products: Products,
}

/// Where everything stands.
struct State {
    /// Changes of the probes' margins since the start, nats.
    moved: Vec<Lanes>,
    /// `x` of every kind.
    action: Vec<Lanes>,
    /// `z` of every kind.
    known: Vec<Lanes>,
}

/// What a batch does: its pushes along each direction, and what its expected squares are made of.
struct Batch {
    push: Vec<Lanes>,
    /// The products of two pushes, then the second moments of what rows of a kind differ in, (D, D), (D, O) and (O, O).
    factors: Vec<Lanes>,
}

impl Products {
    fn squares_in(&self, bucket: usize) -> &[f64] {
        &self.squares[bucket * self.norm.len()..][..self.norm.len()]
    }

    /// The products of these directions with these outputs.
    fn new(all: &KernelProducts, moments: &Moments, directions: &[usize], outputs: &[usize]) -> Self {
        // Places of a product in the kernel's lists.
        let products = || outputs.iter().flat_map(|l| directions.iter().map(move |j| j * all.outputs + l));
        // Pairs stand for both orders, so those of two directions count twice.
        let pairs = directions.iter().enumerate().flat_map(|(at, j)| directions[at..].iter().map(move |k| (*j, *k)));
        let count = moments.directions;
        let pairs: Vec<(usize, f64)> = pairs.map(|(j, k)| (j * count + k, if j == k { 1.0 } else { 2.0 })).collect();
        let noise = |j: &usize| [(j / 2 * 3, 1.0), (j / 2 * 3 + 1, 2.0), (j / 2 * 3 + 2, 1.0)];
        let noises: Vec<(usize, f64)> = directions.iter().step_by(2).flat_map(noise).collect();
        let factors = |of_pairs: &[f64], of_noises: &[f64], buckets: usize, bucket: usize| -> Vec<f64> {
            let scaled = |all: &[f64], (at, times): &(usize, f64)| times * all[at * buckets + bucket];
            pairs
                .iter()
                .map(|pair| scaled(of_pairs, pair))
                .chain(noises.iter().map(|noise| scaled(of_noises, noise)))
                .collect()
        };
        let in_bucket = |bucket: usize| products().map(move |at| all.by_bucket[at * all.buckets + bucket]);
        let squared = |bucket| factors(&moments.squares, &moments.noise_by_bucket, moments.buckets, bucket);
        Self {
            plain: products().map(|at| all.plain[at]).collect(),
            by_bucket: (0..moments.buckets).flat_map(in_bucket).collect(),
            norm: factors(&moments.gram, &moments.noise, 1, 0),
            squares: (0..moments.buckets).flat_map(squared).collect(),
        }
    }
}

impl Motion {
    /// The motion of these kinds and probes of a kernel, by its whole or one of its replicas.
    pub fn new(kernel: &Kernel, replica: Option<usize>, kinds: &[usize], probes: &[usize]) -> Self {
        let directions: Vec<usize> = kinds.iter().flat_map(|kind| [2 * kind, 2 * kind + 1]).collect();
        let states = directions.iter().map(|direction| kernel.probes.len() + direction);
        let outputs: Vec<usize> = probes.iter().copied().chain(states).collect();
        let products = |whole: &KernelProducts, replicas: &[KernelProducts], moments: &Moments| {
            let all = replica.map_or(whole, |group| &replicas[group]);
            Products::new(all, moments, &directions, &outputs)
        };
        let of_kinds = |value: fn(&super::Kind) -> f64| kinds.iter().map(|&kind| value(&kernel.kinds[kind])).collect();
        let pilots = |gate: &Gate| {
            let kind = kinds.iter().position(|&kind| kind == gate.kind)?;
            let from = kernel.kinds[gate.kind].action;
            Some(PilotProducts {
                kind,
                from,
                to: gate.at_pilots,
                products: products(&gate.whole, &gate.replicas, &gate.moments),
            })
        };
        Self {
            kinds: kinds.len(),
            probes: probes.len(),
            outputs: outputs.len(),
            buckets: kernel.moments.buckets,
            base: products(&kernel.whole, &kernel.replicas, &kernel.moments),
            // A kind that is not trained goes nowhere.
            pilots: kernel.gate.as_ref().and_then(pilots),
            scale: kernel.moments.scale.clone(),
            other: of_kinds(super::Kind::other),
            spread: of_kinds(|kind| kind.spread),
            action: of_kinds(|kind| kind.action),
            known: of_kinds(|kind| kind.known),
        }
    }

    /// Everything that it computes with, for the page's copy of [`Motion::run`].
    pub(super) fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "kinds": self.kinds, "probes": self.probes, "outputs": self.outputs, "buckets": self.buckets,
            "here": self.base, "way": self.pilots, "scale": self.scale,
            "other": self.other, "spread": self.spread, "action": self.action, "known": self.known,
        })
    }

    /// Goes through trajectories that differ in batches and speed alone, at most [`LANES`]: what has moved after each stage, and
    /// every `every` steps of it where that is not 0. Lanes that are left over repeat the last trajectory.
    ///
    /// # Panics
    /// Where their stages differ in more, and where there are none or too many.
    pub fn run(&self, trajectories: &[Trajectory<'_>], every: usize) -> Vec<Moved> {
        assert!((1..=LANES).contains(&trajectories.len()), "1 to {LANES} trajectories go side by side");
        let trajectories: [Trajectory<'_>; LANES] =
            std::array::from_fn(|lane| trajectories[lane.min(trajectories.len() - 1)]);
        let stages = trajectories[0].stages;
        let alike = |stage: usize, first: &StageBatches| {
            let rule = |it: &StageBatches| (it.weight.to_bits(), it.clip.to_bits(), it.batches.len());
            trajectories.iter().map(|trajectory| &trajectory.stages[stage]).all(|other| {
                other.optimiser == first.optimiser && other.rates == first.rates && rule(other) == rule(first)
            })
        };
        let wide = |all: &[f64]| all.iter().map(|value| [*value; LANES]).collect();
        let mut state =
            State { moved: vec![[0.0; LANES]; self.probes], action: wide(&self.action), known: wide(&self.known) };
        let (mut done, mut curve) = (0, Vec::new());
        for (stage, first) in stages.iter().enumerate() {
            assert!(alike(stage, first), "trajectories side by side differ in batches alone");
            let batches = trajectories.map(|trajectory| trajectory.stages[stage].batches.as_slice());
            let speeds = trajectories.map(|trajectory| trajectory.speed);
            let mut seen = |step: usize, moved: &[Lanes]| {
                if step == first.rates.len() || (every > 0 && step.is_multiple_of(every)) {
                    curve.push((done + step, moved.to_vec()));
                }
            };
            vectorized!(|fused| self.stage(fused, &mut state, first, batches, speeds, &mut seen));
            done += first.rates.len();
        }
        curve
    }

    /// One stage; the optimiser starts anew. `seen` is shown the margins' changes at every step's end, counted from 1.
    #[inline(always)]
    fn stage(
        &self,
        fused: Fused,
        state: &mut State,
        rule: &StageBatches,
        batches: [&[Counts]; LANES],
        speeds: Lanes,
        seen: &mut impl FnMut(usize, &[Lanes]),
    ) {
        let mut batch =
            Batch { push: vec![[0.0; LANES]; 2 * self.kinds], factors: vec![[0.0; LANES]; self.base.norm.len()] };
        // Running means or sums of the pushes along each direction, and running means of squares in each bucket.
        let (mut first, mut second) = (vec![[0.0; LANES]; 2 * self.kinds], vec![[0.0; LANES]; self.buckets]);
        let mut change = vec![[0.0; LANES]; self.outputs];
        for (at, rate) in rule.rates.iter().enumerate() {
            self.push(state, batches.map(|batches| batches[at].as_slice()), rule.weight, &mut batch);
            let progress = self.progress(state);
            self.clip(fused, rule.clip, progress, &mut batch);
            let mut running = |keeps: f64, takes: f64| {
                for (first, push) in first.iter_mut().zip(&batch.push) {
                    *first = each(|lane| keeps * first[lane] + takes * push[lane]);
                }
            };
            let rate = match rule.optimiser {
                OptimiserPlan::Sgd { momentum, .. } => {
                    running(momentum, 1.0);
                    self.descend(fused, &first, progress, &mut change);
                    *rate
                }
                OptimiserPlan::AdamW { beta1, beta2, eps, .. } => {
                    running(beta1, 1.0 - beta1);
                    let left = |beta: f64| 1.0 - beta.powi(at as i32 + 1);
                    for (bucket, second) in second.iter_mut().enumerate() {
                        let square =
                            self.square(fused, |products| products.squares_in(bucket), &batch.factors, progress);
                        *second = each(|lane| beta2 * second[lane] + (1.0 - beta2) * square[lane]);
                    }
                    self.adapt(fused, &first, &second, [1.0 / left(beta2), eps], progress, &mut change);
                    rate / left(beta1)
                }
            };
            self.go(state, &change, speeds.map(|speed| speed * rate));
            seen(at + 1, &state.moved);
        }
    }

    /// How far the model has gone towards its pilots, between 0 and 1.
    #[inline(always)]
    fn progress(&self, state: &State) -> Lanes {
        let Some(pilots) = &self.pilots else { return [0.0; LANES] };
        let progress = state.action[pilots.kind].map(|action| (action - pilots.from) / (pilots.to - pilots.from));
        progress.map(|progress| if progress.is_finite() { progress.clamp(0.0, 1.0) } else { 0.0 })
    }

    /// A row of products times factors, as far as the model has gone.
    #[inline(always)]
    fn mixed<'a>(
        &'a self,
        fused: Fused,
        row: impl Fn(&'a Products) -> &'a [f64],
        factors: &[Lanes],
        progress: Lanes,
    ) -> Lanes {
        let base = weighted(fused, row(&self.base), factors);
        let Some(pilots) = &self.pilots else { return base };
        let at_pilots = weighted(fused, row(&pilots.products), factors);
        each(|lane| (1.0 - progress[lane]) * base[lane] + progress[lane] * at_pilots[lane])
    }

    /// The expected square of a batch's gradient: that of its mean, which chance may have made negative, and what its rows differ in.
    #[inline(always)]
    fn square<'a>(
        &'a self,
        fused: Fused,
        row: impl Fn(&'a Products) -> &'a [f64],
        factors: &[Lanes],
        progress: Lanes,
    ) -> Lanes {
        let (pairs, noise) = factors.split_at(factors.len() - 3 * self.kinds);
        let means = self.mixed(fused, |products| &row(products)[..pairs.len()], pairs, progress);
        let differ = self.mixed(fused, |products| &row(products)[pairs.len()..], noise, progress);
        each(|lane| means[lane].max(0.0) + differ[lane].max(0.0))
    }

    /// What every lane's batch does.
    #[inline(always)]
    fn push(&self, state: &State, batches: [&[[f64; 2]]; LANES], weight: f64, into: &mut Batch) {
        let (pairs, noise) = into.factors.split_at_mut(self.base.norm.len() - 3 * self.kinds);
        let square = weight * weight;
        for kind in 0..self.kinds {
            for lane in 0..LANES {
                let [good, bad] = batches[lane][kind];
                let likely = logistic(state.action[kind][lane] / self.spread[kind]);
                let (up, down) = (1.0 - likely, -likely);
                let other = logistic(-state.known[kind][lane]) / self.other[kind];
                into.push[2 * kind][lane] = (good * up + bad * down) / weight;
                into.push[2 * kind + 1][lane] = (good + bad) * other / weight;
                noise[3 * kind][lane] = (good * up * up + bad * down * down) / square;
                noise[3 * kind + 1][lane] = (good * up + bad * down) * other / square;
                noise[3 * kind + 2][lane] = (good + bad) * other * other / square;
            }
        }
        let push = &into.push;
        let both = push.iter().enumerate().flat_map(|(at, first)| push[at..].iter().map(move |second| (first, second)));
        for (pair, (first, second)) in pairs.iter_mut().zip(both) {
            *pair = each(|lane| first[lane] * second[lane]);
        }
    }

    /// Leaves of a batch what clipping a gradient of the expected norm does.
    #[inline(always)]
    fn clip(&self, fused: Fused, clip: f64, progress: Lanes, batch: &mut Batch) {
        if clip <= 0.0 {
            return;
        }
        let norm = self.square(fused, |products| &products.norm, &batch.factors, progress).map(f64::sqrt);
        let kept = norm.map(|norm| if norm > clip { clip / norm } else { 1.0 });
        for push in &mut batch.push {
            *push = each(|lane| push[lane] * kept[lane]);
        }
        for factor in &mut batch.factors {
            *factor = each(|lane| factor[lane] * kept[lane] * kept[lane]);
        }
    }

    /// Plain descent: what each margin moves by at a learning rate of 1.
    #[inline(always)]
    fn descend(&self, fused: Fused, first: &[Lanes], progress: Lanes, change: &mut [Lanes]) {
        for (l, change) in change.iter_mut().enumerate() {
            *change = self.mixed(fused, |products| &products.plain[l * first.len()..][..first.len()], first, progress);
        }
    }

    /// Adam: the same, with its second moments and what they and their root are corrected by.
    #[inline(always)]
    fn adapt(
        &self,
        fused: Fused,
        first: &[Lanes],
        second: &[Lanes],
        [correction, eps]: [f64; 2],
        progress: Lanes,
        change: &mut [Lanes],
    ) {
        change.fill([0.0; LANES]);
        for (bucket, second) in second.iter().enumerate() {
            let floor = eps / self.scale[bucket] + 1e-30;
            let share = second.map(|second| 1.0 / ((second * correction).sqrt() + floor));
            for (l, change) in change.iter_mut().enumerate() {
                let at = (bucket * self.outputs + l) * first.len();
                let along = self.mixed(fused, |products| &products.by_bucket[at..][..first.len()], first, progress);
                *change = each(|lane| fused.f64(along[lane], share[lane], change[lane]));
            }
        }
    }

    #[inline(always)]
    fn go(&self, state: &mut State, change: &[Lanes], step: Lanes) {
        let (probes, kinds) = change.split_at(self.probes);
        let add =
            |to: &mut Lanes, change: &Lanes, over: f64| *to = each(|lane| to[lane] + step[lane] * change[lane] / over);
        for (moved, change) in state.moved.iter_mut().zip(probes) {
            add(moved, change, 1.0);
        }
        for kind in 0..self.kinds {
            add(&mut state.action[kind], &kinds[2 * kind], 1.0);
            add(&mut state.known[kind], &kinds[2 * kind + 1], self.other[kind]);
        }
    }
}

/// One number for every lane.
#[inline(always)]
fn each(mut value: impl FnMut(usize) -> f64) -> Lanes {
    let mut all = [0.0; LANES];
    for lane in 0..LANES {
        all[lane] = value(lane);
    }
    all
}

/// `Σ_r row_r factor_r` in every lane.
#[inline(always)]
fn weighted(fused: Fused, row: &[f64], factors: &[Lanes]) -> Lanes {
    let mut sum = [0.0; LANES];
    for (value, factor) in row.iter().zip(factors) {
        sum = each(|lane| fused.f64(*value, factor[lane], sum[lane]));
    }
    sum
}
