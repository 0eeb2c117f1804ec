//! `f(n) = W_down (activation(W_gate n) ⊙ W_up n)`, as the branch of a residual connection

use super::{Linear, Pass, Residual, ResidualStash, TokenScope, Visitor};
use crate::backend::{Activation, Backend, Write};

/// The gated MLP of a block and its residual connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mlp {
    /// The way around it, and its norms.
    pub(crate) residual: Residual,
    /// Gate projection.
    pub(crate) gate: Linear,
    /// Up projection.
    pub(crate) up: Linear,
    /// Down projection.
    pub(crate) down: Linear,
    /// Of the gate.
    pub(crate) activation: Activation,
}

/// What the backward pass reads, and its working space.
#[derive(Debug)]
pub(crate) struct MlpStash<B: Backend> {
    residual: ResidualStash<B>,
    gate: B::Buffer,
    up: B::Buffer,
    inner: B::Buffer,
    d_inner: B::Buffer,
    d_input: B::Buffer,
}

impl<B: Backend> Default for MlpStash<B> {
    fn default() -> Self {
        let [gate, up, inner, d_inner, d_input] = Default::default();
        Self { residual: ResidualStash::default(), gate, up, inner, d_inner, d_input }
    }
}

impl Mlp {
    /// `x` and `out` are `[rows in scope, width]`.
    pub(crate) fn forward<B: Backend>(
        &self,
        pass: &Pass<B>,
        x: &B::Buffer,
        scope: TokenScope,
        out: &mut B::Buffer,
        stash: &mut MlpStash<B>,
    ) {
        self.residual.open(pass, x, &mut stash.residual);
        let input = self.residual.input(x, &stash.residual);
        self.gate.forward(pass, input, scope, &mut stash.gate, Write::Replace);
        self.up.forward(pass, input, scope, &mut stash.up, Write::Replace);
        pass.backend.gated(&mut stash.inner, &stash.gate, &stash.up, self.activation);
        out.clone_from(x);
        self.residual.close(pass, &self.down, &stash.inner, scope, out, &mut stash.residual);
    }

    /// Turns `d`, the gradient at the output, into the gradient at the input `x`.
    pub(crate) fn backward<B: Backend>(
        &self,
        pass: &Pass<B>,
        x: &B::Buffer,
        scope: TokenScope,
        d: &mut B::Buffer,
        stash: &mut MlpStash<B>,
        visitor: &mut impl Visitor<B>,
    ) {
        let MlpStash { residual, gate, up, inner, d_inner, d_input } = stash;
        self.residual.close_backward(pass, &self.down, inner, d, scope, d_inner, residual, visitor);
        pass.backend.gated_backward(gate, up, d_inner, self.activation);
        let input = self.residual.input(x, residual);
        self.gate.backward(pass, input, gate, scope, d_input, Write::Replace, visitor);
        self.up.backward(pass, input, up, scope, d_input, Write::Add, visitor);
        self.residual.open_backward(pass, x, d_input, scope, d, residual, visitor);
    }
}
