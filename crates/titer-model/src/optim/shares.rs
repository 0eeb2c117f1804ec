//! Whose step was it? An optimiser's steps, split exactly among groups of rows.
//!
//! Given its preconditioner, a step is linear in the gradients of this and all earlier steps. So with a first moment
//! of its own, each group's share is `−lr · P · m_group`, and the shares of all groups (and of weight decay) add up to
//! what the parameters moved: `u = Σ u_group`, to rounding.

use crate::{
    backend::{AdamStep, Backend},
    params::{Layout, Params},
    real::Real,
};

/// The running shares of some groups, since they were last taken.
#[derive(Clone, Debug)]
pub struct Shares<B: Backend> {
    groups: Vec<Share<B>>,
    /// What weight decay moved.
    pub(crate) decay: Params<B>,
}

/// One step to be booked: where, and the gradients that it is made of.
#[derive(Debug)]
pub struct Booking<'a, B: Backend> {
    /// The books.
    pub shares: &'a mut Shares<B>,
    /// Each group's gradient, all of which add up to the step's; `None` for a group with no row in the batch.
    pub gradients: &'a [Option<&'a Params<B>>],
}

#[derive(Clone, Debug)]
struct Share<B: Backend> {
    /// First moment (Adam) or velocity (SGD) of the group's gradients alone.
    first: Params<B>,
    moved: Params<B>,
}

impl<B: Backend> Shares<B> {
    /// Nothing booked yet, for a fresh optimiser.
    pub fn new(backend: &B, layout: &Layout, groups: usize) -> Self {
        let zeros = || Params::zeros(backend, layout);
        let groups = (0..groups).map(|_| Share { first: zeros(), moved: zeros() }).collect();
        Self { groups, decay: zeros() }
    }

    /// How each group moved the parameters since this was last asked, and then how weight decay did.
    pub fn take(&mut self, backend: &B, layout: &Layout) -> Vec<Params<B>> {
        let moved = self.groups.iter_mut().map(|group| &mut group.moved).chain([&mut self.decay]);
        moved.map(|moved| std::mem::replace(moved, Params::zeros(backend, layout))).collect()
    }

    /// Books a movement `factor · along` of the parameters that no optimiser made on a group.
    pub fn book_move(&mut self, backend: &B, group: usize, factor: f64, along: &Params<B>) {
        self.groups[group].moved.add_scaled(backend, factor, along);
    }

    pub(crate) fn book_sgd(
        &mut self,
        backend: &B,
        gradients: &[Option<&Params<B>>],
        momentum: f64,
        gradient_scale: f64,
        lr: f64,
    ) {
        for (Share { first, moved }, gradient) in self.groups.iter_mut().zip(gradients) {
            first.scale(backend, momentum);
            if let Some(gradient) = gradient {
                first.add_scaled(backend, gradient_scale, gradient);
            }
            moved.add_scaled(backend, -lr, first);
        }
    }

    /// Parameter `at`, after its step; `second` is Adam's second moment after it.
    pub(crate) fn book_adam(
        &mut self,
        backend: &B,
        at: usize,
        gradients: &[Option<&Params<B>>],
        second: &B::Buffer,
        step: AdamStep,
    ) {
        let rest = B::Real::of((1.0 - step.beta1) * step.gradient_scale);
        for (Share { first, moved }, gradient) in self.groups.iter_mut().zip(gradients) {
            let first = &mut first.buffers[at];
            backend.scale(first, B::Real::of(step.beta1));
            if let Some(gradient) = gradient {
                backend.add_scaled(first, rest, &gradient.buffers[at]);
            }
            backend.add_preconditioned(
                &mut moved.buffers[at],
                -step.step_size(),
                first,
                second,
                step.correction2(),
                step.eps,
            );
        }
    }
}
