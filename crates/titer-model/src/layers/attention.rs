//! `f(n) = W_o attention(q, k, W_v n)` with the projections `q` and `k` of `n`, as the branch of a residual connection

use super::{Linear, Pass, Past, Projection, ProjectionStash, Residual, ResidualStash, TokenScope, Visitor};
use crate::backend::{Backend, Heads, Write};

/// The attention of a block and its residual connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attention {
    /// The way around it, and its norms.
    pub(crate) residual: Residual,
    /// Query projection.
    pub(crate) query: Projection,
    /// Key projection.
    pub(crate) key: Projection,
    /// Value projection.
    pub(crate) value: Linear,
    /// Output projection.
    pub(crate) output: Linear,
    /// Head counts and width, and what becomes of the scores.
    pub(crate) heads: Heads,
    /// Whether queries reach no further than the model's window.
    pub(crate) sliding: bool,
}

/// What the backward pass reads, and its working space.
#[derive(Debug)]
pub(crate) struct AttentionStash<B: Backend> {
    residual: ResidualStash<B>,
    /// The branch's input at the output positions; empty where the scope is every token.
    input_outputs: B::Buffer,
    q: ProjectionStash<B>,
    k: ProjectionStash<B>,
    v: B::Buffer,
    weights: B::Buffer,
    mixed: B::Buffer,
    d_mixed: B::Buffer,
    dv: B::Buffer,
    d_input: B::Buffer,
    d_input_outputs: B::Buffer,
    spread: B::Buffer,
}

impl<B: Backend> Default for AttentionStash<B> {
    fn default() -> Self {
        let [input_outputs, v, weights, mixed] = Default::default();
        let [d_mixed, dv, d_input, d_input_outputs, spread] = Default::default();
        let (residual, q, k) = Default::default();
        Self { residual, input_outputs, q, k, v, weights, mixed, d_mixed, dv, d_input, d_input_outputs, spread }
    }
}

impl Attention {
    /// `x` is `[tokens, width]`; `out` is `[rows in scope, width]`: keys and values come from every token, queries
    /// only from the positions in scope. With a `past` they are put beside the earlier ones there, and queries reach those.
    pub(crate) fn forward<B: Backend>(
        &self,
        pass: &Pass<B>,
        x: &B::Buffer,
        scope: TokenScope,
        out: &mut B::Buffer,
        stash: &mut AttentionStash<B>,
        past: Option<Past<'_, B>>,
    ) {
        let (backend, outputs, width) = (pass.backend, &pass.placed.outputs, self.value.product.inputs);
        self.residual.open(pass, x, &mut stash.residual);
        let input = self.residual.input(x, &stash.residual);
        self.key.forward(pass, input, TokenScope::All, &mut stash.k);
        self.value.forward(pass, input, TokenScope::All, &mut stash.v, Write::Replace);
        match scope {
            TokenScope::All => {
                self.query.forward(pass, input, scope, &mut stash.q);
                out.clone_from(x);
            }
            TokenScope::Outputs => {
                backend.gather(&mut stash.input_outputs, input, outputs, width);
                self.query.forward(pass, &stash.input_outputs, scope, &mut stash.q);
                backend.gather(out, x, outputs, width);
            }
        }
        let (q, k) = (self.query.output(&stash.q), self.key.output(&stash.k));
        let reach = pass.reach(scope, self.sliding);
        match past {
            None => backend.attention(&mut stash.mixed, &mut stash.weights, q, k, &stash.v, reach, self.heads),
            Some(mut past) => {
                past.put(backend, k, &stash.v, self.value.product.outputs);
                let Past { keys, values, .. } = past;
                backend.attention(&mut stash.mixed, &mut stash.weights, q, keys, values, reach, self.heads);
            }
        }
        self.residual.close(pass, &self.output, &stash.mixed, scope, out, &mut stash.residual);
    }

    /// Turns `d`, the gradient at the output (`[rows in scope, width]`), into the gradient at the input `x`
    /// (`[tokens, width]`).
    pub(crate) fn backward<B: Backend>(
        &self,
        pass: &Pass<B>,
        x: &B::Buffer,
        scope: TokenScope,
        d: &mut B::Buffer,
        stash: &mut AttentionStash<B>,
        visitor: &mut impl Visitor<B>,
    ) {
        let (backend, outputs, width) = (pass.backend, &pass.placed.outputs, self.value.product.inputs);
        let AttentionStash { residual, q, k, v, mixed, d_mixed, dv, d_input, .. } = stash;
        self.residual.close_backward(pass, &self.output, mixed, d, scope, d_mixed, residual, visitor);
        let (mut dq, mut dk) = (std::mem::take(&mut q.dy), std::mem::take(&mut k.dy));
        let inputs = (self.query.output(q), self.key.output(k), &*v);
        let reach = pass.reach(scope, self.sliding);
        let forward = (&*mixed, &stash.weights);
        backend.attention_backward((&mut dq, &mut dk, dv), d_mixed, forward, inputs, reach, self.heads);
        (q.dy, k.dy) = (dq, dk);
        let input = self.residual.input(x, residual);
        self.key.backward(pass, input, TokenScope::All, d_input, Write::Replace, k, visitor);
        self.value.backward(pass, input, dv, TokenScope::All, d_input, Write::Add, visitor);
        match scope {
            TokenScope::All => self.query.backward(pass, input, scope, d_input, Write::Add, q, visitor),
            TokenScope::Outputs => {
                let (input, dx) = (&stash.input_outputs, &mut stash.d_input_outputs);
                self.query.backward(pass, input, scope, dx, Write::Replace, q, visitor);
                backend.scatter_add(d_input, dx, outputs, width);
                backend.zero(&mut stash.spread, pass.rows(TokenScope::All) * width);
                backend.scatter_add(&mut stash.spread, d, outputs, width);
                std::mem::swap(d, &mut stash.spread);
            }
        }
        self.residual.open_backward(pass, x, d_input, TokenScope::All, d, residual, visitor);
    }
}
