//! `y = x Wᵀ + b`, and what adapters add

use super::{AttachedLayer, LinearVisit, LoraLayer, Pass, Product, TokenScope, Visitor};
use crate::{
    backend::{Backend, Matrix, Write},
    params::ParamId,
};

/// A linear layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Linear {
    /// Its weight; training moves the bias where it moves this.
    pub(crate) product: Product,
    /// Its bias, `[outputs]`.
    pub(crate) bias: Option<ParamId>,
    /// A low-rank adapter beside the weight.
    pub(crate) lora: Option<LoraLayer>,
    /// Another one, which is attached frozen.
    pub(crate) attached: Option<AttachedLayer>,
}

impl Linear {
    /// `y = x Wᵀ + b` and what adapters add, or adds all of it; `x` is `[rows in scope, inputs]`.
    pub(crate) fn forward<B: Backend>(
        &self,
        pass: &Pass<B>,
        x: &B::Buffer,
        scope: TokenScope,
        y: &mut B::Buffer,
        write: Write,
    ) {
        self.product.forward(pass, x, scope, y, write);
        if let Some(bias) = self.bias {
            let (ones, bias) = (Matrix::new(&pass.placed.ones, pass.rows(scope), 1), &pass.params[bias]);
            pass.backend.matmul(y, ones, Matrix::new(bias, 1, self.product.outputs), Write::Add);
        }
        if let Some(lora) = &self.lora {
            lora.forward(pass, x, scope, y);
        }
        if let Some(attached) = &self.attached {
            attached.forward(pass, x, scope, y);
        }
    }

    /// Shows the visitor `x` and `dy`, then `dx = dy W` and what comes through adapters, or adds all.
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
        self.product.backward(pass, x, dy, scope, dx, write, visitor);
        if let Some(weight) = self.bias.filter(|_| self.product.trained) {
            let (rows, outputs) = (pass.rows(scope), self.product.outputs);
            visitor.linear(
                pass.backend,
                LinearVisit { weight, x: &pass.placed.ones, dy, rows, inputs: 1, outputs, scope },
            );
        }
        if let Some(lora) = &self.lora {
            lora.backward(pass, x, dy, scope, dx, visitor);
        }
        if let Some(attached) = &self.attached {
            attached.backward(pass, dy, scope, dx);
        }
    }
}
