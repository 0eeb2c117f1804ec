//! An optimiser's state, and its step: SGD with momentum or Adam, by its rule.

use super::{Booking, UpdateRule};
use crate::{
    backend::{AdamParam, AdamStep, Backend},
    params::{Layout, ParamRole, Params},
    real::Real,
};

/// An optimiser with its state.
#[derive(Clone, Debug)]
pub struct Optimiser<B: Backend> {
    pub(crate) rule: UpdateRule,
    decays: Vec<bool>,
    pub(crate) steps: i32,
    /// Velocity of SGD with momentum, first moment of Adam; empty without momentum.
    pub(crate) first: Option<Params<B>>,
    /// Second moment of Adam.
    pub(crate) second: Option<Params<B>>,
}

impl<B: Backend> Optimiser<B> {
    /// A fresh optimiser for parameters of this layout.
    pub fn new(backend: &B, layout: &Layout, rule: UpdateRule) -> Self {
        let zeros = || Some(Params::zeros(backend, layout));
        let (first, second) = match rule {
            UpdateRule::Sgd { momentum } => (if momentum > 0.0 { zeros() } else { None }, None),
            UpdateRule::AdamW { .. } => (zeros(), zeros()),
        };
        let decays = layout.specs.iter().map(|spec| spec.role == ParamRole::Matrix).collect();
        Self { rule, decays, steps: 0, first, second }
    }

    /// The rule, with its constants.
    pub fn rule(&self) -> UpdateRule {
        self.rule
    }

    /// Steps done so far.
    pub fn steps(&self) -> usize {
        self.steps as usize
    }

    /// The share of what a gradient moves in all that its own next step moves: the rest comes by momentum.
    pub fn first_share(&self) -> f64 {
        match self.rule {
            UpdateRule::Sgd { .. } => 1.0,
            UpdateRule::AdamW { beta1, .. } => (1.0 - beta1) / (1.0 - beta1.powi(self.steps + 1)),
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
        let (UpdateRule::AdamW { beta2, eps, .. }, Some(second)) = (self.rule, &self.second) else { return x.clone() };
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
            UpdateRule::Sgd { momentum } => {
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
            UpdateRule::AdamW { beta1, beta2, eps, weight_decay } => {
                let (Some(first), Some(second)) = (&mut self.first, &mut self.second) else { return };
                let steps = self.steps;
                let step = |weight_decay| AdamStep { lr, steps, weight_decay, beta1, beta2, eps, gradient_scale };
                let keep = step(weight_decay).keep();
                if let Some(Booking { shares, .. }) = booking.as_mut().filter(|_| keep < 1.0) {
                    for at in
                        (0..self.decays.len()).filter(|&at| self.decays[at] && backend.len(&gradient.buffers[at]) > 0)
                    {
                        let decay = &mut shares.decay.buffers[at];
                        backend.add_scaled(decay, B::Real::of(keep - 1.0), &params.buffers[at]);
                    }
                }
                for decays in [true, false] {
                    let weights = params.buffers.iter_mut().zip(&gradient.buffers);
                    let moments = first.buffers.iter_mut().zip(&mut second.buffers);
                    let all = weights.zip(moments).zip(&self.decays);
                    let moved = all.filter(|(((_, gradient), _), of)| **of == decays && backend.len(gradient) > 0);
                    let moved = moved.map(|(((weight, gradient), (first, second)), _)| AdamParam {
                        weight,
                        gradient,
                        first,
                        second,
                    });
                    backend.adam(moved.collect(), step(if decays { weight_decay } else { 0.0 }));
                }
                if let Some(Booking { shares, gradients }) = &mut booking {
                    for at in (0..self.decays.len()).filter(|&at| backend.len(&gradient.buffers[at]) > 0) {
                        shares.book_adam(backend, at, gradients, &second.buffers[at], step(0.0));
                    }
                }
            }
        }
    }
}

/// The mean of all numbers.
fn mean<B: Backend>(backend: &B, params: &Params<B>) -> f64 {
    let count: usize = params.buffers.iter().map(|buffer| backend.len(buffer)).sum();
    backend.sum(&params.buffers.iter().collect::<Vec<_>>()) / count.max(1) as f64
}
