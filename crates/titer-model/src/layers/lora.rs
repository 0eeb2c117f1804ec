//! `s · (x Aᵀ) Bᵀ`: a low-rank adapter (LoRA, arXiv 2106.09685), forward and backward

use super::{LinearVisit, Pass, TokenScope, Visitor};
use crate::{
    backend::{Backend, Matrix, Write},
    params::ParamId,
    real::Real,
};

/// A low-rank adapter beside a linear layer: two thin linear layers in a row, which is what visitors see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoraLayer {
    /// `[rank, inputs]`
    pub(crate) a: ParamId,
    /// `[outputs, rank]`
    pub(crate) b: ParamId,
    /// Width of its input.
    pub(crate) inputs: usize,
    /// Width of its output.
    pub(crate) outputs: usize,
    /// Width between the two.
    pub(crate) rank: usize,
    /// Factor `s` on what the adapter adds.
    pub(crate) scale: f64,
}

impl LoraLayer {
    /// `y += s · (x Aᵀ) Bᵀ`; `x` is `[rows in scope, inputs]`, `y` is `[rows in scope, outputs]`.
    pub(crate) fn forward<B: Backend>(&self, pass: &Pass<B>, x: &B::Buffer, scope: TokenScope, y: &mut B::Buffer) {
        let inner = self.inner(pass, x, scope);
        let b = Matrix::new(&pass.params[self.b], self.outputs, self.rank);
        pass.backend.matmul(y, Matrix::new(&inner, pass.rows(scope), self.rank), b.t(), Write::Add);
    }

    /// Shows the visitor both layers, then `dx += s · (dy B) A`; `dy` is `[rows in scope, outputs]`.
    pub(crate) fn backward<B: Backend>(
        &self,
        pass: &Pass<B>,
        x: &B::Buffer,
        dy: &B::Buffer,
        scope: TokenScope,
        dx: &mut B::Buffer,
        visitor: &mut impl Visitor<B>,
    ) {
        let (backend, rows) = (pass.backend, pass.rows(scope));
        let &Self { a, b, inputs, outputs, rank, scale } = self;
        // The inner activations are thin: to compute them again costs less than to keep them.
        let inner = self.inner(pass, x, scope);
        let mut d_inner = B::Buffer::default();
        let weight = Matrix::new(&pass.params[b], outputs, rank);
        backend.matmul(&mut d_inner, Matrix::new(dy, rows, outputs), weight, Write::Replace);
        backend.scale(&mut d_inner, B::Real::of(scale));
        visitor.linear(backend, LinearVisit { weight: b, x: &inner, dy, rows, inputs: rank, outputs, scope });
        visitor.linear(backend, LinearVisit { weight: a, x, dy: &d_inner, rows, inputs, outputs: rank, scope });
        let weight = Matrix::new(&pass.params[a], rank, inputs);
        backend.matmul(dx, Matrix::new(&d_inner, rows, rank), weight, Write::Add);
    }

    /// `s · x Aᵀ`, `[rows in scope, rank]`.
    fn inner<B: Backend>(&self, pass: &Pass<B>, x: &B::Buffer, scope: TokenScope) -> B::Buffer {
        let mut inner = B::Buffer::default();
        let a = Matrix::new(&pass.params[self.a], self.rank, self.inputs);
        pass.backend.matmul(&mut inner, Matrix::new(x, pass.rows(scope), self.inputs), a.t(), Write::Replace);
        pass.backend.scale(&mut inner, B::Real::of(self.scale));
        inner
    }
}
