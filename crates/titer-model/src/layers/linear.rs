//! `y = x Wᵀ + b`, or with an adapter `y = x Wᵀ + b + s · (x Aᵀ) Bᵀ`

use super::Pass;
use crate::{
    backend::{Backend, Matrix, Write},
    params::ParamId,
    real::Real,
    visitor::{LinearVisit, Scope, Visitor},
};

/// A linear layer.
#[derive(Clone, Copy, Debug)]
pub struct Linear {
    /// Its weight, `[outputs, inputs]`.
    pub weight: ParamId,
    /// Its bias, `[outputs]`.
    pub bias: Option<ParamId>,
    /// Width of its input.
    pub inputs: usize,
    /// Width of its output.
    pub outputs: usize,
    /// Whether training moves weight and bias.
    pub trained: bool,
    /// A low-rank adapter beside the weight.
    pub lora: Option<Lora>,
}

/// A low-rank adapter (LoRA, arXiv 2106.09685): two thin linear layers in a row, which is what visitors see.
#[derive(Clone, Copy, Debug)]
pub struct Lora {
    /// `[rank, inputs]`
    pub a: ParamId,
    /// `[outputs, rank]`
    pub b: ParamId,
    /// Width between the two.
    pub rank: usize,
    /// Factor `s` on what the adapter adds.
    pub scale: f64,
}

impl Linear {
    /// `y = x Wᵀ + b` and what the adapter adds, or adds all of it; `x` is `[rows in scope, inputs]`.
    pub fn forward<B: Backend>(&self, pass: &Pass<B>, x: &B::Buffer, scope: Scope, y: &mut B::Buffer, write: Write) {
        self.product(pass, y, Matrix::new(x, pass.rows(scope), self.inputs), true, write);
        if let Some(bias) = self.bias {
            let (ones, bias) = (Matrix::new(&pass.ones, pass.rows(scope), 1), &pass.params[bias]);
            pass.backend.matmul(y, ones, Matrix::new(bias, 1, self.outputs), Write::Add);
        }
        if let Some(lora) = &self.lora {
            let inner = self.inner(pass, lora, x, scope);
            let b = Matrix::new(&pass.params[lora.b], self.outputs, lora.rank);
            pass.backend.matmul(y, Matrix::new(&inner, pass.rows(scope), lora.rank), b.t(), Write::Add);
        }
    }

    /// Shows the visitor `x` and `dy`, then `dx = dy W` and what comes through the adapter, or adds both.
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
        let (backend, rows) = (pass.backend, pass.rows(scope));
        let (inputs, outputs) = (self.inputs, self.outputs);
        if self.trained {
            visitor.linear(backend, LinearVisit { weight: self.weight, x, dy, rows, inputs, outputs, scope });
            if let Some(weight) = self.bias {
                visitor.linear(backend, LinearVisit { weight, x: &pass.ones, dy, rows, inputs: 1, outputs, scope });
            }
        }
        self.product(pass, dx, Matrix::new(dy, rows, outputs), false, write);
        if let Some(Lora { a, b, rank, scale }) = self.lora {
            // The inner activations are thin: to compute them again costs less than to keep them.
            let inner = self.inner(pass, &Lora { a, b, rank, scale }, x, scope);
            let mut d_inner = B::Buffer::default();
            let weight = Matrix::new(&pass.params[b], outputs, rank);
            backend.matmul(&mut d_inner, Matrix::new(dy, rows, outputs), weight, Write::Replace);
            backend.scale(&mut d_inner, B::Real::of(scale));
            visitor.linear(backend, LinearVisit { weight: b, x: &inner, dy, rows, inputs: rank, outputs, scope });
            visitor.linear(backend, LinearVisit { weight: a, x, dy: &d_inner, rows, inputs, outputs: rank, scope });
            let weight = Matrix::new(&pass.params[a], rank, inputs);
            backend.matmul(dx, Matrix::new(&d_inner, rows, rank), weight, Write::Add);
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

    /// `s · x Aᵀ`, `[rows in scope, rank]`.
    fn inner<B: Backend>(&self, pass: &Pass<B>, lora: &Lora, x: &B::Buffer, scope: Scope) -> B::Buffer {
        let mut inner = B::Buffer::default();
        let a = Matrix::new(&pass.params[lora.a], lora.rank, self.inputs);
        pass.backend.matmul(&mut inner, Matrix::new(x, pass.rows(scope), self.inputs), a.t(), Write::Replace);
        pass.backend.scale(&mut inner, B::Real::of(lora.scale));
        inner
    }
}
