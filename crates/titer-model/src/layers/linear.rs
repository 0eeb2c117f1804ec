//! `y = x Wᵀ`

use super::Pass;
use crate::{
    backend::{Backend, Matrix, Write},
    params::ParamId,
    visitor::{LinearVisit, Scope, Visitor},
};

/// A linear layer without bias.
#[derive(Clone, Copy, Debug)]
pub struct Linear {
    /// Its weight, `[outputs, inputs]`.
    pub weight: ParamId,
    /// Width of its input.
    pub inputs: usize,
    /// Width of its output.
    pub outputs: usize,
}

impl Linear {
    /// `y = x Wᵀ`, or adds it; `x` is `[rows in scope, inputs]`.
    pub fn forward<B: Backend>(&self, pass: &Pass<B>, x: &B::Buffer, scope: Scope, y: &mut B::Buffer, write: Write) {
        let weight = Matrix::new(&pass.params[self.weight], self.outputs, self.inputs);
        pass.backend.matmul(y, Matrix::new(x, pass.rows(scope), self.inputs), weight.t(), write);
    }

    /// Shows the visitor `x` and `dy`, then `dx = dy W`, or adds it.
    pub fn backward<B: Backend>(
        &self,
        pass: &Pass<B>,
        x: &B::Buffer,
        dy: &B::Buffer,
        scope: Scope,
        dx: &mut B::Buffer,
        write: Write,
        visitor: &mut impl Visitor<B>,
    ) {
        let rows = pass.rows(scope);
        let (weight, inputs, outputs) = (self.weight, self.inputs, self.outputs);
        visitor.linear(pass.backend, LinearVisit { weight, x, dy, rows, inputs, outputs, scope });
        let weight = Matrix::new(&pass.params[self.weight], self.outputs, self.inputs);
        pass.backend.matmul(dx, Matrix::new(dy, rows, self.outputs), weight, write);
    }
}
