//! `y = rotate(norm(x Wᵀ))`: queries or keys, norm and rotary positions where the layer has them

use super::{Linear, Norm, NormStash, Pass, TokenScope, Visitor};
use crate::backend::{Backend, Write};

/// From the residual stream to queries or keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Projection {
    /// `[heads · width, inputs]`
    pub(crate) linear: Linear,
    /// Of each head, or of all of them together.
    pub(crate) norm: Option<Norm>,
    /// Which of [`Pass::ropes`]; `None` for a layer without positions.
    pub(crate) rope: Option<usize>,
    /// Width of a head.
    pub(crate) head_width: usize,
}

/// What the backward pass reads, and its working space.
#[derive(Debug)]
pub(crate) struct ProjectionStash<B: Backend> {
    projected: B::Buffer,
    norm: NormStash<B>,
    /// The gradient at the output, for the backward pass to turn back.
    pub(crate) dy: B::Buffer,
    d_projected: B::Buffer,
}

impl<B: Backend> Default for ProjectionStash<B> {
    fn default() -> Self {
        let [projected, dy, d_projected] = Default::default();
        Self { projected, norm: NormStash::default(), dy, d_projected }
    }
}

impl Projection {
    /// Fills the stash; [`Projection::output`] then is `y`. `x` is `[rows in scope, inputs]`.
    pub(crate) fn forward<B: Backend>(
        &self,
        pass: &Pass<B>,
        x: &B::Buffer,
        scope: TokenScope,
        stash: &mut ProjectionStash<B>,
    ) {
        self.linear.forward(pass, x, scope, &mut stash.projected, Write::Replace);
        let y = match &self.norm {
            None => &mut stash.projected,
            Some(norm) => {
                norm.forward(pass, &stash.projected, &mut stash.norm);
                &mut stash.norm.y
            }
        };
        if let Some(rope) = self.rope {
            pass.backend.rope(y, &pass.ropes[rope], pass.positions(scope), self.head_width, false);
        }
    }

    /// What the forward pass left, `[rows in scope, heads · width]`.
    pub(crate) fn output<'a, B: Backend>(&self, stash: &'a ProjectionStash<B>) -> &'a B::Buffer {
        if self.norm.is_some() { &stash.norm.y } else { &stash.projected }
    }

    /// From the stash's `dy` to `dx`, replaced or added to.
    pub(crate) fn backward<B: Backend>(
        &self,
        pass: &Pass<B>,
        x: &B::Buffer,
        scope: TokenScope,
        dx: &mut B::Buffer,
        write: Write,
        stash: &mut ProjectionStash<B>,
        visitor: &mut impl Visitor<B>,
    ) {
        let (backend, ProjectionStash { projected, norm: norm_stash, dy, d_projected }) = (pass.backend, stash);
        if let Some(rope) = self.rope {
            backend.rope(dy, &pass.ropes[rope], pass.positions(scope), self.head_width, true);
        }
        let d = match &self.norm {
            None => dy,
            Some(norm) => {
                backend.zero(d_projected, backend.len(dy));
                norm.backward(pass, projected, norm_stash, dy, scope, d_projected, visitor);
                d_projected
            }
        };
        self.linear.backward(pass, x, d, scope, dx, write, visitor);
    }
}
