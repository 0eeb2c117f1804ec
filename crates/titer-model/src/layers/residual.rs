//! `out = x + factor · after(f(before(x)))`, each of the two norms where the family has it

use super::{Linear, Norm, NormStash, Pass, TokenScope, Visitor};
use crate::{
    backend::{Backend, Write},
    real::Real,
};

/// The residual connection around attention or MLP, and the norms on its way. The branch `f` ends in a linear layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Residual {
    /// The norm in front of the branch.
    pub(crate) before: Option<Norm>,
    /// The norm behind it.
    pub(crate) after: Option<Norm>,
    /// On what the branch adds.
    pub(crate) factor: f64,
}

/// What the backward pass reads, and its working space.
#[derive(Debug)]
pub(crate) struct ResidualStash<B: Backend> {
    before: NormStash<B>,
    after: NormStash<B>,
    /// The branch's output, where a norm or a factor comes after it.
    branch: B::Buffer,
    /// The gradient at what the factor is on, where there is one.
    d_scaled: B::Buffer,
    d_branch: B::Buffer,
}

impl<B: Backend> Default for ResidualStash<B> {
    fn default() -> Self {
        let (before, after) = Default::default();
        let [branch, d_scaled, d_branch] = Default::default();
        Self { before, after, branch, d_scaled, d_branch }
    }
}

impl Residual {
    /// Norms `x`; [`Residual::input`] then is what the branch reads.
    pub(crate) fn open<B: Backend>(&self, pass: &Pass<B>, x: &B::Buffer, stash: &mut ResidualStash<B>) {
        if let Some(norm) = &self.before {
            norm.forward(pass, x, &mut stash.before);
        }
    }

    /// What the branch reads: the normed `x`, or `x` itself.
    pub(crate) fn input<'a, B: Backend>(&self, x: &'a B::Buffer, stash: &'a ResidualStash<B>) -> &'a B::Buffer {
        if self.before.is_some() { &stash.before.y } else { x }
    }

    /// Adds the branch to `out`, which holds `x` at the rows in scope; `z` is the input of the branch's last layer.
    pub(crate) fn close<B: Backend>(
        &self,
        pass: &Pass<B>,
        last: &Linear,
        z: &B::Buffer,
        scope: TokenScope,
        out: &mut B::Buffer,
        stash: &mut ResidualStash<B>,
    ) {
        if self.after.is_none() && self.factor == 1.0 {
            return last.forward(pass, z, scope, out, Write::Add);
        }
        last.forward(pass, z, scope, &mut stash.branch, Write::Replace);
        let added = match &self.after {
            None => &stash.branch,
            Some(norm) => {
                norm.forward(pass, &stash.branch, &mut stash.after);
                &stash.after.y
            }
        };
        pass.backend.add_scaled(out, B::Real::of(self.factor), added);
    }

    /// From `d`, the gradient at `out`, to `dz`.
    pub(crate) fn close_backward<B: Backend>(
        &self,
        pass: &Pass<B>,
        last: &Linear,
        z: &B::Buffer,
        d: &B::Buffer,
        scope: TokenScope,
        dz: &mut B::Buffer,
        stash: &mut ResidualStash<B>,
        visitor: &mut impl Visitor<B>,
    ) {
        let d = if self.factor == 1.0 {
            d
        } else {
            stash.d_scaled.clone_from(d);
            pass.backend.scale(&mut stash.d_scaled, B::Real::of(self.factor));
            &stash.d_scaled
        };
        let d = match &self.after {
            None => d,
            Some(norm) => {
                let d_branch = &mut stash.d_branch;
                pass.backend.zero(d_branch, pass.rows(scope) * last.product.outputs);
                norm.backward(pass, &stash.branch, &stash.after, d, scope, d_branch, visitor);
                &stash.d_branch
            }
        };
        last.backward(pass, z, d, scope, dz, Write::Replace, visitor);
    }

    /// Adds what comes through the branch to `d`, the gradient at `x`; `d_input` is the gradient at
    /// [`Residual::input`].
    pub(crate) fn open_backward<B: Backend>(
        &self,
        pass: &Pass<B>,
        x: &B::Buffer,
        d_input: &B::Buffer,
        scope: TokenScope,
        d: &mut B::Buffer,
        stash: &ResidualStash<B>,
        visitor: &mut impl Visitor<B>,
    ) {
        match &self.before {
            Some(norm) => norm.backward(pass, x, &stash.before, d_input, scope, d, visitor),
            None => pass.backend.add_scaled(d, B::Real::of(1.0), d_input),
        }
    }
}
