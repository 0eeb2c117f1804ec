//! One buffer per parameter of a layout, and arithmetic with all of them at once.

use super::{Layout, ParamId, ParamSpec};
use crate::{backend::Backend, real::Real};

/// One buffer per parameter of a layout: weights, gradients, moments or a direction. In all but the weights, the
/// buffers of frozen parameters are empty.
#[derive(Clone, Debug)]
pub struct Params<B: Backend> {
    /// The buffers, in the layout's order.
    pub buffers: Vec<B::Buffer>,
}

impl<B: Backend> Params<B> {
    /// A zero for everything that training moves.
    pub fn zeros(backend: &B, layout: &Layout) -> Self {
        let len = |spec: &ParamSpec| if spec.trained { spec.len() } else { 0 };
        let buffers = layout.specs.iter().map(|spec| backend.zeros(len(spec))).collect();
        Self { buffers }
    }

    /// A copy of what training moves: like a gradient's, the buffers of frozen parameters are empty.
    pub fn moving(&self, layout: &Layout) -> Self {
        let buffers = self.buffers.iter().zip(&layout.specs);
        let buffers = buffers.map(|(buffer, spec)| if spec.trained { buffer.clone() } else { B::Buffer::default() });
        Self { buffers: buffers.collect() }
    }

    /// Sets every number to zero.
    pub fn clear(&mut self, backend: &B) {
        backend.clear(self.buffers.iter_mut().collect());
    }

    /// `self += factor · other`, where `other` has numbers.
    pub fn add_scaled(&mut self, backend: &B, factor: f64, other: &Self) {
        for (to, from) in self.buffers.iter_mut().zip(&other.buffers) {
            if backend.len(from) > 0 {
                backend.add_scaled(to, B::Real::of(factor), from);
            }
        }
    }

    /// `self += a ⊙ b`, where these have numbers.
    pub fn add_product(&mut self, backend: &B, a: &Self, b: &Self) {
        for ((to, a), b) in self.buffers.iter_mut().zip(&a.buffers).zip(&b.buffers) {
            if backend.len(a) > 0 {
                backend.add_product(to, a, b);
            }
        }
    }

    /// `self *= factor`
    pub fn scale(&mut self, backend: &B, factor: f64) {
        for buffer in &mut self.buffers {
            backend.scale(buffer, B::Real::of(factor));
        }
    }

    /// `⟨self, other⟩`, accumulated in f64.
    pub fn dot(&self, backend: &B, other: &Self) -> f64 {
        backend.dot(&self.buffers.iter().zip(&other.buffers).collect::<Vec<_>>())
    }

    /// Euclidean norm over all parameters.
    pub fn norm(&self, backend: &B) -> f64 {
        self.dot(backend, self).sqrt()
    }
}

impl<B: Backend> std::ops::Index<ParamId> for Params<B> {
    type Output = B::Buffer;

    fn index(&self, id: ParamId) -> &B::Buffer {
        &self.buffers[id.0]
    }
}

impl<B: Backend> std::ops::IndexMut<ParamId> for Params<B> {
    fn index_mut(&mut self, id: ParamId) -> &mut B::Buffer {
        &mut self.buffers[id.0]
    }
}
