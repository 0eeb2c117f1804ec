//! Optimisers, learning-rate schedules and gradient clipping.

use serde::{Deserialize, Serialize};

use crate::{
    backend::{AdamStep, Backend},
    params::{Layout, Params, Role},
    real::Real,
    shares::Booking,
};

/// Which update rule, with its constants.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Rule {
    /// Stochastic gradient descent with heavy-ball momentum (0 for none), as in PyTorch.
    Sgd {
        /// Share of the last step's velocity that is kept.
        momentum: f64,
    },
    /// Adam with decoupled weight decay (arXiv 1711.05101); only matrices decay.
    AdamW {
        /// Decay of the first moment.
        beta1: f64,
        /// Decay of the second moment.
        beta2: f64,
        /// Added to the root of the second moment.
        eps: f64,
        /// Weight decay per step, times the learning rate.
        weight_decay: f64,
    },
}

/// How the learning rate falls after warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decay {
    /// It stays.
    None,
    /// In a straight line to the floor.
    Linear,
    /// Along half a cosine to the floor.
    Cosine,
}

/// The learning rate as a function of the step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// The highest learning rate.
    pub peak: f64,
    /// Steps of linear rise: step `t` (from 0) has `(t + 1) / warmup` of the peak.
    pub warmup: usize,
    /// Steps in all.
    pub steps: usize,
    /// What happens after warm-up.
    pub decay: Decay,
    /// Share of the peak at which decay ends.
    pub floor: f64,
}

impl Schedule {
    /// The learning rate of step `step`, counted from 0.
    pub fn at(&self, step: usize) -> f64 {
        if step < self.warmup {
            return self.peak * (step + 1) as f64 / self.warmup as f64;
        }
        let progress = (step - self.warmup) as f64 / (self.steps.saturating_sub(self.warmup)).max(1) as f64;
        let left = match self.decay {
            Decay::None => 1.0,
            Decay::Linear => 1.0 - progress.min(1.0),
            Decay::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos()),
        };
        self.peak * (self.floor + (1.0 - self.floor) * left)
    }
}

/// What of the gradient clipping to `limit` leaves: `limit / norm` where that is below 1 (a limit of 0 is no limit).
pub fn clip_scale(norm: f64, limit: f64) -> f64 {
    if limit > 0.0 && norm > limit { limit / norm } else { 1.0 }
}

/// An optimiser with its state.
#[derive(Clone, Debug)]
pub struct Optimiser<B: Backend> {
    pub(crate) rule: Rule,
    decays: Vec<bool>,
    pub(crate) steps: i32,
    /// Velocity of SGD with momentum, first moment of Adam; empty without momentum.
    pub(crate) first: Option<Params<B>>,
    /// Second moment of Adam.
    pub(crate) second: Option<Params<B>>,
}

impl<B: Backend> Optimiser<B> {
    /// A fresh optimiser for parameters of this layout.
    pub fn new(backend: &B, layout: &Layout, rule: Rule) -> Self {
        let zeros = || Some(Params::zeros(backend, layout));
        let (first, second) = match rule {
            Rule::Sgd { momentum } => (if momentum > 0.0 { zeros() } else { None }, None),
            Rule::AdamW { .. } => (zeros(), zeros()),
        };
        let decays = layout.specs.iter().map(|spec| spec.role == Role::Matrix).collect();
        Self { rule, decays, steps: 0, first, second }
    }

    /// The rule, with its constants.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// Steps done so far.
    pub fn steps(&self) -> usize {
        self.steps as usize
    }

    /// The share of what a gradient moves in all that its own next step moves: the rest comes by momentum.
    pub fn first_share(&self) -> f64 {
        match self.rule {
            Rule::Sgd { .. } => 1.0,
            Rule::AdamW { beta1, .. } => (1.0 - beta1) / (1.0 - beta1.powi(self.steps + 1)),
        }
    }

    /// `P x` with the diagonal preconditioner of the last step: `1 / (√v̂ + eps)` for Adam, 1 for SGD. Times the
    /// learning rate, this is what a gradient `x` moves over all the steps that its momentum lasts.
    pub fn preconditioned(&self, backend: &B, layout: &Layout, x: &Params<B>) -> Params<B> {
        self.preconditioned_above(backend, layout, x, 0.0)
    }

    /// [`Optimiser::preconditioned`] with `floor` times the root mean square of `√v̂` added to every `√v̂`. Without it, a
    /// weight that no row has touched counts as free to move, and takes all of a direction in which it has a part.
    pub fn preconditioned_above(&self, backend: &B, layout: &Layout, x: &Params<B>, floor: f64) -> Params<B> {
        let (Rule::AdamW { beta2, eps, .. }, Some(second)) = (self.rule, &self.second) else { return x.clone() };
        let correction2 = 1.0 / (1.0 - beta2.powi(self.steps));
        let eps = if floor > 0.0 { eps + floor * (correction2 * mean(backend, second)).sqrt() } else { eps };
        let mut out = Params::zeros(backend, layout);
        for ((out, x), v) in out.buffers.iter_mut().zip(&x.buffers).zip(&second.buffers) {
            backend.add_preconditioned(out, 1.0, x, v, correction2, eps);
        }
        out
    }

    /// Moves the parameters one step along `gradient · gradient_scale` at learning rate `lr`.
    pub fn step(&mut self, backend: &B, params: &mut Params<B>, gradient: &Params<B>, gradient_scale: f64, lr: f64) {
        self.step_with_shares(backend, params, gradient, gradient_scale, lr, None);
    }

    /// [`Optimiser::step`], which also books the step on the groups of rows that the gradient came from.
    pub fn step_with_shares(
        &mut self,
        backend: &B,
        params: &mut Params<B>,
        gradient: &Params<B>,
        gradient_scale: f64,
        lr: f64,
        mut booking: Option<Booking<'_, B>>,
    ) {
        self.steps += 1;
        match self.rule {
            Rule::Sgd { momentum } => {
                if let Some(Booking { shares, gradients }) = booking {
                    shares.book_sgd(backend, gradients, momentum, gradient_scale, lr);
                }
                let Some(velocity) = &mut self.first else {
                    params.add_scaled(backend, -lr * gradient_scale, gradient);
                    return;
                };
                velocity.scale(backend, momentum);
                velocity.add_scaled(backend, gradient_scale, gradient);
                params.add_scaled(backend, -lr, velocity);
            }
            Rule::AdamW { beta1, beta2, eps, weight_decay } => {
                let (Some(first), Some(second)) = (&mut self.first, &mut self.second) else { return };
                let step_size = lr / (1.0 - beta1.powi(self.steps));
                let correction2 = 1.0 / (1.0 - beta2.powi(self.steps));
                for at in (0..params.buffers.len()).filter(|&at| backend.len(&gradient.buffers[at]) > 0) {
                    let keep = if self.decays[at] { 1.0 - lr * weight_decay } else { 1.0 };
                    let step = AdamStep { step_size, keep, beta1, beta2, eps, correction2, gradient_scale };
                    let (m, v) = (&mut first.buffers[at], &mut second.buffers[at]);
                    if let Some(booking) = booking.as_mut().filter(|_| keep < 1.0) {
                        backend.add_scaled(
                            &mut booking.shares.decay.buffers[at],
                            B::Real::of(keep - 1.0),
                            &params.buffers[at],
                        );
                    }
                    backend.adam(&mut params.buffers[at], &gradient.buffers[at], m, v, step);
                    if let Some(Booking { shares, gradients }) = &mut booking {
                        shares.book_adam(backend, at, gradients, v, step);
                    }
                }
            }
        }
    }
}

/// The mean of all numbers.
fn mean<B: Backend>(backend: &B, of: &Params<B>) -> f64 {
    let mut ones = B::Buffer::default();
    let (mut sum, mut count) = (0.0, 0);
    for buffer in &of.buffers {
        let len = backend.len(buffer);
        backend.resize(&mut ones, len);
        backend.fill(&mut ones, B::Real::of(1.0));
        sum += backend.dot(buffer, &ones);
        count += len;
    }
    sum / count.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_rises_holds_and_falls() {
        let schedule = Schedule { peak: 2.0, warmup: 4, steps: 104, decay: Decay::Cosine, floor: 0.1 };
        assert_eq!(schedule.at(0), 0.5);
        assert_eq!(schedule.at(3), 2.0);
        assert_eq!(schedule.at(4), 2.0);
        assert!((schedule.at(54) - 2.0 * (0.1 + 0.9 * 0.5)).abs() < 1e-12);
        assert!((schedule.at(104) - 0.2).abs() < 1e-12);
        let constant = Schedule { decay: Decay::None, ..schedule };
        assert_eq!(constant.at(100), 2.0);
    }

    #[test]
    fn clipping_leaves_short_gradients_alone() {
        assert_eq!(clip_scale(0.5, 1.0), 1.0);
        assert_eq!(clip_scale(4.0, 1.0), 0.25);
        assert_eq!(clip_scale(4.0, 0.0), 1.0);
    }
}
