//! `y = x Wᵀ + b`, and what an adapter adds

use super::{LinearVisit, LoraLayer, Pass, TokenScope, Visitor};
use crate::{
    backend::{Backend, Matrix, Write},
    params::ParamId,
};

/// A linear layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Linear {
    /// Its weight, `[outputs, inputs]`.
    pub(crate) weight: ParamId,
    /// Its bias, `[outputs]`.
    pub(crate) bias: Option<ParamId>,
    /// Width of its input.
    pub(crate) inputs: usize,
    /// Width of its output.
    pub(crate) outputs: usize,
    /// Whether training moves weight and bias.
    pub(crate) trained: bool,
    /// A low-rank adapter beside the weight.
    pub(crate) lora: Option<LoraLayer>,
}

impl Linear {
    /// `y = x Wᵀ + b` and what the adapter adds, or adds all of it; `x` is `[rows in scope, inputs]`.
    pub(crate) fn forward<B: Backend>(
        &self,
        pass: &Pass<B>,
        x: &B::Buffer,
        scope: TokenScope,
        y: &mut B::Buffer,
        write: Write,
    ) {
        self.product(pass, y, Matrix::new(x, pass.rows(scope), self.inputs), true, write);
        if let Some(bias) = self.bias {
            let (ones, bias) = (Matrix::new(&pass.ones, pass.rows(scope), 1), &pass.params[bias]);
            pass.backend.matmul(y, ones, Matrix::new(bias, 1, self.outputs), Write::Add);
        }
        if let Some(lora) = &self.lora {
            lora.forward(pass, x, scope, y);
        }
    }

    /// Shows the visitor `x` and `dy`, then `dx = dy W` and what comes through the adapter, or adds both.
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
        let (backend, rows) = (pass.backend, pass.rows(scope));
        let (inputs, outputs) = (self.inputs, self.outputs);
        if self.trained {
            visitor.linear(backend, LinearVisit { weight: self.weight, x, dy, rows, inputs, outputs, scope });
            if let Some(weight) = self.bias {
                visitor.linear(backend, LinearVisit { weight, x: &pass.ones, dy, rows, inputs: 1, outputs, scope });
            }
        }
        self.product(pass, dx, Matrix::new(dy, rows, outputs), false, write);
        if let Some(lora) = &self.lora {
            lora.backward(pass, x, dy, scope, dx, visitor);
        }
    }

    /// `out = a Wᵀ` where the weight is `transposed`, else `out = a W`; or adds it.
    fn product<B: Backend>(
        &self,
        pass: &Pass<B>,
        out: &mut B::Buffer,
        a: Matrix<B::Buffer>,
        transposed: bool,
        write: Write,
    ) {
        let (rows, columns) = (self.outputs, self.inputs);
        match pass.stored(self.weight) {
            Some(stored) => {
                pass.backend.matmul_stored(out, a, Matrix { data: stored, rows, columns, transposed }, write);
            }
            None => {
                let data = &pass.params[self.weight];
                pass.backend.matmul(out, a, Matrix { data, rows, columns, transposed }, write);
            }
        }
    }
}
