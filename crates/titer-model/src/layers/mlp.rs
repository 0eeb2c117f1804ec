//! `out = x + W_down (silu(W_gate n) ⊙ W_up n)` with `n = norm(x)`

use super::{Linear, Norm, NormStash, Pass};
use crate::{
    backend::{Backend, Write},
    visitor::{Scope, Visitor},
};

/// The gated MLP of a block, its norm and its residual connection.
#[derive(Clone, Copy, Debug)]
pub struct Mlp {
    /// The norm in front.
    pub norm: Norm,
    /// Gate projection.
    pub gate: Linear,
    /// Up projection.
    pub up: Linear,
    /// Down projection.
    pub down: Linear,
}

/// What the backward pass reads, and its working space.
#[derive(Debug)]
pub struct MlpStash<B: Backend> {
    norm: NormStash<B>,
    gate: B::Buffer,
    up: B::Buffer,
    inner: B::Buffer,
    d_inner: B::Buffer,
    d_normed: B::Buffer,
}

impl<B: Backend> Default for MlpStash<B> {
    fn default() -> Self {
        let [gate, up, inner, d_inner, d_normed] = Default::default();
        Self { norm: NormStash::default(), gate, up, inner, d_inner, d_normed }
    }
}

impl Mlp {
    /// `x` and `out` are `[rows in scope, width]`.
    pub fn forward<B: Backend>(
        &self,
        pass: &Pass<B>,
        x: &B::Buffer,
        scope: Scope,
        out: &mut B::Buffer,
        stash: &mut MlpStash<B>,
    ) {
        self.norm.forward(pass, x, &mut stash.norm);
        self.gate.forward(pass, &stash.norm.y, scope, &mut stash.gate, Write::Replace);
        self.up.forward(pass, &stash.norm.y, scope, &mut stash.up, Write::Replace);
        pass.backend.gated(&mut stash.inner, &stash.gate, &stash.up);
        out.clone_from(x);
        self.down.forward(pass, &stash.inner, scope, out, Write::Add);
    }

    /// Turns `d`, the gradient at the output, into the gradient at the input `x`.
    pub fn backward<B: Backend>(
        &self,
        pass: &Pass<B>,
        x: &B::Buffer,
        scope: Scope,
        d: &mut B::Buffer,
        stash: &mut MlpStash<B>,
        visitor: &mut impl Visitor<B>,
    ) {
        self.down.backward(pass, &stash.inner, d, scope, &mut stash.d_inner, Write::Replace, visitor);
        pass.backend.gated_backward(&mut stash.gate, &mut stash.up, &stash.d_inner);
        let normed = &stash.norm.y;
        self.gate.backward(pass, normed, &stash.gate, scope, &mut stash.d_normed, Write::Replace, visitor);
        self.up.backward(pass, normed, &stash.up, scope, &mut stash.d_normed, Write::Add, visitor);
        self.norm.backward(pass, x, &stash.norm, &stash.d_normed, scope, d, visitor);
    }
}
