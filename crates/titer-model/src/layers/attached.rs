//! `s · (x Aᵀ) Bᵀ` of an adapter that is attached frozen: it is computed with and moved by nobody.

use super::{Pass, TokenScope};
use crate::{
    backend::{Backend, Matrix, Write},
    real::Real,
};

/// An adapter beside a linear layer whose two matrices lie with the decoder, not among its parameters: no visitor sees it, no optimiser
/// moves it, no file holds it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttachedLayer {
    /// Where the pass has `A`, `[rank, inputs]`; `B`, `[outputs, rank]`, comes behind it.
    pub(crate) at: usize,
    /// Width between the two.
    pub(crate) rank: usize,
    /// Factor `s` on what it adds.
    pub(crate) scale: f64,
    /// Width of its input.
    pub(crate) inputs: usize,
    /// Width of its output.
    pub(crate) outputs: usize,
}

impl AttachedLayer {
    /// `y += s · (x Aᵀ) Bᵀ`; `x` is `[rows in scope, inputs]`, `y` is `[rows in scope, outputs]`.
    pub(crate) fn forward<B: Backend>(&self, pass: &Pass<B>, x: &B::Buffer, scope: TokenScope, y: &mut B::Buffer) {
        let (a, b) = self.matrices(pass);
        self.through(pass, (x, self.inputs, a.t()), (y, b.t()), scope);
    }

    /// `dx += s · (dy B) A`; `dy` is `[rows in scope, outputs]`.
    pub(crate) fn backward<B: Backend>(&self, pass: &Pass<B>, dy: &B::Buffer, scope: TokenScope, dx: &mut B::Buffer) {
        let (a, b) = self.matrices(pass);
        self.through(pass, (dy, self.outputs, b), (dx, a), scope);
    }

    /// `out += s · (from · first) · second`
    fn through<'a, B: Backend>(
        &self,
        pass: &Pass<B>,
        (from, width, first): (&'a B::Buffer, usize, Matrix<'a, B::Buffer>),
        (out, second): (&mut B::Buffer, Matrix<'a, B::Buffer>),
        scope: TokenScope,
    ) {
        let rows = pass.rows(scope);
        let mut inner = B::Buffer::default();
        let from = Matrix::new(from, rows, width);
        pass.backend.matmul_scaled(&mut inner, B::Real::of(self.scale), from, first);
        pass.backend.matmul(out, Matrix::new(&inner, rows, self.rank), second, Write::Add);
    }

    /// `A` and `B`.
    fn matrices<'a, B: Backend>(&self, pass: &Pass<'a, B>) -> (Matrix<'a, B::Buffer>, Matrix<'a, B::Buffer>) {
        let (a, b) = (&pass.attached[self.at], &pass.attached[self.at + 1]);
        (Matrix::new(a, self.rank, self.inputs), Matrix::new(b, self.outputs, self.rank))
    }
}
