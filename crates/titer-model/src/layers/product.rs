//! `y = x Wᵀ`: the product that linear layers and adapters are made of, forward and backward

use super::{LinearVisit, Pass, TokenScope, Visitor};
use crate::{
    backend::{Backend, Matrix, Write},
    params::ParamId,
};

/// A weight that rows are multiplied with, in memory or in its file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Product {
    /// `[outputs, inputs]`
    pub(crate) weight: ParamId,
    /// Width of its input.
    pub(crate) inputs: usize,
    /// Width of its output.
    pub(crate) outputs: usize,
    /// Whether training moves the weight.
    pub(crate) trained: bool,
}

impl Product {
    /// `y = x Wᵀ`, or adds it; `x` is `[rows in scope, inputs]`, `y` is `[rows in scope, outputs]`.
    pub(crate) fn forward<B: Backend>(
        &self,
        pass: &Pass<B>,
        x: &B::Buffer,
        scope: TokenScope,
        y: &mut B::Buffer,
        write: Write,
    ) {
        self.multiply(pass, y, Matrix::new(x, pass.rows(scope), self.inputs), true, write);
    }

    /// Shows the visitor `x` and `dy` where training moves the weight, then `dx = dy W`, or adds it.
    pub(crate) fn backward<B: Backend>(
        &self,
        pass: &Pass<B>,
        x: &B::Buffer,
        dy: &B::Buffer,
        scope: TokenScope,
        dx: &mut B::Buffer,
        write: Write,
        visitor: &mut impl Visitor<B>,
    ) {
        self.show(pass, x, dy, scope, visitor);
        self.multiply(pass, dx, Matrix::new(dy, pass.rows(scope), self.outputs), false, write);
    }

    /// Shows the visitor `x` and `dy` where training moves the weight.
    pub(super) fn show<B: Backend>(
        &self,
        pass: &Pass<B>,
        x: &B::Buffer,
        dy: &B::Buffer,
        scope: TokenScope,
        visitor: &mut impl Visitor<B>,
    ) {
        let (rows, &Self { weight, inputs, outputs, trained }) = (pass.rows(scope), self);
        if trained {
            visitor.linear(pass.backend, LinearVisit { weight, x, dy, rows, inputs, outputs, scope });
        }
    }

    /// The weight, which is in memory.
    pub(super) fn matrix<'a, B: Backend>(&self, pass: &Pass<'a, B>) -> Matrix<'a, B::Buffer> {
        Matrix::new(&pass.params[self.weight], self.outputs, self.inputs)
    }

    /// `out = a Wᵀ` where the weight is `transposed`, else `out = a W`; or adds it.
    fn multiply<B: Backend>(
        &self,
        pass: &Pass<B>,
        out: &mut B::Buffer,
        a: Matrix<B::Buffer>,
        transposed: bool,
        write: Write,
    ) {
        let (rows, columns) = (self.outputs, self.inputs);
        match pass.frozen(self.weight) {
            Some(data) => {
                pass.backend.matmul_frozen(out, a, Matrix { data, rows, columns, transposed }, write);
            }
            None => {
                let data = &pass.params[self.weight];
                pass.backend.matmul(out, a, Matrix { data, rows, columns, transposed }, write);
            }
        }
    }
}
