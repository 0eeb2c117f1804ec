//! `out = x + W_o attention(W_q n, W_k n, W_v n)` with `n = norm(x)` and rotary positions

use super::{Linear, Norm, NormStash, Pass};
use crate::{
    backend::{Backend, Heads, Write},
    visitor::{Scope, Visitor},
};

/// The attention of a block, its norm and its residual connection.
#[derive(Clone, Copy, Debug)]
pub struct Attention {
    /// The norm in front.
    pub norm: Norm,
    /// Query projection.
    pub query: Linear,
    /// Key projection.
    pub key: Linear,
    /// Value projection.
    pub value: Linear,
    /// Output projection.
    pub output: Linear,
    /// Head counts and width.
    pub heads: Heads,
}

/// What the backward pass reads, and its working space.
#[derive(Debug)]
pub struct AttentionStash<B: Backend> {
    norm: NormStash<B>,
    /// The normed input at the output positions; empty where the scope is every token.
    normed_outputs: B::Buffer,
    q: B::Buffer,
    k: B::Buffer,
    v: B::Buffer,
    weights: B::Buffer,
    mixed: B::Buffer,
    d_mixed: B::Buffer,
    dq: B::Buffer,
    dk: B::Buffer,
    dv: B::Buffer,
    d_normed: B::Buffer,
    d_normed_outputs: B::Buffer,
    spread: B::Buffer,
}

impl<B: Backend> Default for AttentionStash<B> {
    fn default() -> Self {
        let [normed_outputs, q, k, v, weights, mixed] = Default::default();
        let [d_mixed, dq, dk, dv, d_normed, d_normed_outputs, spread] = Default::default();
        let norm = NormStash::default();
        Self { norm, normed_outputs, q, k, v, weights, mixed, d_mixed, dq, dk, dv, d_normed, d_normed_outputs, spread }
    }
}

impl Attention {
    /// `x` is `[tokens, width]`; `out` is `[rows in scope, width]`: keys and values come from every token, queries
    /// only from the positions in scope.
    pub fn forward<B: Backend>(
        &self,
        pass: &Pass<B>,
        x: &B::Buffer,
        scope: Scope,
        out: &mut B::Buffer,
        stash: &mut AttentionStash<B>,
    ) {
        let (backend, outputs, width) = (pass.backend, &pass.packed.outputs, self.query.inputs);
        self.norm.forward(pass, x, &mut stash.norm);
        let normed = &stash.norm.y;
        self.key.forward(pass, normed, Scope::All, &mut stash.k, Write::Replace);
        self.value.forward(pass, normed, Scope::All, &mut stash.v, Write::Replace);
        match scope {
            Scope::All => {
                self.query.forward(pass, normed, scope, &mut stash.q, Write::Replace);
                out.clone_from(x);
            }
            Scope::Outputs => {
                backend.gather(&mut stash.normed_outputs, normed, outputs, width);
                self.query.forward(pass, &stash.normed_outputs, scope, &mut stash.q, Write::Replace);
                backend.gather(out, x, outputs, width);
            }
        }
        let (positions, reach) = pass.queries(scope);
        backend.rope(&mut stash.q, pass.rope, positions, self.heads.width, false);
        backend.rope(&mut stash.k, pass.rope, &pass.packed.positions, self.heads.width, false);
        backend.attention(&mut stash.mixed, &mut stash.weights, &stash.q, &stash.k, &stash.v, reach, self.heads);
        self.output.forward(pass, &stash.mixed, scope, out, Write::Add);
    }

    /// Turns `d`, the gradient at the output (`[rows in scope, width]`), into the gradient at the input `x`
    /// (`[tokens, width]`).
    pub fn backward<B: Backend>(
        &self,
        pass: &Pass<B>,
        x: &B::Buffer,
        scope: Scope,
        d: &mut B::Buffer,
        stash: &mut AttentionStash<B>,
        visitor: &mut impl Visitor<B>,
    ) {
        let (backend, outputs, width) = (pass.backend, &pass.packed.outputs, self.query.inputs);
        let (positions, reach) = pass.queries(scope);
        self.output.backward(pass, &stash.mixed, d, scope, &mut stash.d_mixed, Write::Replace, visitor);
        let (dq, dk, dv) = (&mut stash.dq, &mut stash.dk, &mut stash.dv);
        let inputs = (&stash.q, &stash.k, &stash.v);
        backend.attention_backward((dq, dk, dv), &stash.d_mixed, &stash.weights, inputs, reach, self.heads);
        backend.rope(dq, pass.rope, positions, self.heads.width, true);
        backend.rope(dk, pass.rope, &pass.packed.positions, self.heads.width, true);
        let (normed, d_normed) = (&stash.norm.y, &mut stash.d_normed);
        self.key.backward(pass, normed, dk, Scope::All, d_normed, Write::Replace, visitor);
        self.value.backward(pass, normed, dv, Scope::All, d_normed, Write::Add, visitor);
        match scope {
            Scope::All => self.query.backward(pass, normed, dq, scope, d_normed, Write::Add, visitor),
            Scope::Outputs => {
                let (x, dx) = (&stash.normed_outputs, &mut stash.d_normed_outputs);
                self.query.backward(pass, x, dq, scope, dx, Write::Replace, visitor);
                backend.scatter_add(d_normed, dx, outputs, width);
                backend.resize(&mut stash.spread, pass.rows(Scope::All) * width);
                backend.fill(&mut stash.spread, crate::real::Real::of(0.0));
                backend.scatter_add(&mut stash.spread, d, outputs, width);
                std::mem::swap(d, &mut stash.spread);
            }
        }
        self.norm.backward(pass, x, &stash.norm, d_normed, Scope::All, d, visitor);
    }
}
