//! `s · (x Aᵀ) Bᵀ`: a low-rank adapter (LoRA, arXiv 2106.09685), forward and backward

use super::{Pass, Product, TokenScope, Visitor};
use crate::{
    backend::{Backend, Matrix, Write},
    real::Real,
};

/// A low-rank adapter beside a linear layer: two thin products in a row, which is what visitors see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoraLayer {
    /// `[rank, inputs]`
    pub(crate) a: Product,
    /// `[outputs, rank]`
    pub(crate) b: Product,
    /// Factor `s` on what the adapter adds.
    pub(crate) scale: f64,
}

impl LoraLayer {
    /// `y += s · (x Aᵀ) Bᵀ`; `x` is `[rows in scope, inputs]`, `y` is `[rows in scope, outputs]`.
    pub(crate) fn forward<B: Backend>(&self, pass: &Pass<B>, x: &B::Buffer, scope: TokenScope, y: &mut B::Buffer) {
        let inner = self.inner(pass, x, scope);
        self.b.forward(pass, &inner, scope, y, Write::Add);
    }

    /// Shows the visitor both products, then `dx += s · (dy B) A`; `dy` is `[rows in scope, outputs]`.
    pub(crate) fn backward<B: Backend>(
        &self,
        pass: &Pass<B>,
        x: &B::Buffer,
        dy: &B::Buffer,
        scope: TokenScope,
        dx: &mut B::Buffer,
        visitor: &mut impl Visitor<B>,
    ) {
        // The inner activations are thin: to compute them again costs less than to keep them.
        let inner = self.inner(pass, x, scope);
        let mut d_inner = B::Buffer::default();
        self.b.show(pass, &inner, dy, scope, visitor);
        let (rows, b) = (pass.rows(scope), self.b.matrix(pass));
        let dy = Matrix::new(dy, rows, self.b.outputs);
        pass.backend.matmul_scaled(&mut d_inner, B::Real::of(self.scale), dy, b);
        self.a.backward(pass, x, &d_inner, scope, dx, Write::Add, visitor);
    }

    /// `s · x Aᵀ`, `[rows in scope, rank]`.
    fn inner<B: Backend>(&self, pass: &Pass<B>, x: &B::Buffer, scope: TokenScope) -> B::Buffer {
        let mut inner = B::Buffer::default();
        let (x, a) = (Matrix::new(x, pass.rows(scope), self.a.inputs), self.a.matrix(pass));
        pass.backend.matmul_scaled(&mut inner, B::Real::of(self.scale), x, a.t());
        inner
    }
}
