//! `y = x · r · scale`, `r = 1 / √(mean x² + eps)`

use super::{NormVisit, Pass, TokenScope, Visitor};
use crate::{backend::Backend, params::ParamId};

/// A root-mean-square norm, of whole rows or of each head by itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Norm {
    /// Its scale, `[width]`.
    pub(crate) scale: ParamId,
    /// Added to the mean square.
    pub(crate) eps: f64,
    /// Parts of a row that are normed one by one with the same scale: 1, or the number of heads.
    pub(crate) heads: usize,
    /// Whether training moves the scale.
    pub(crate) trained: bool,
}

/// What a norm's backward pass reads besides its input.
#[derive(Debug)]
pub(crate) struct NormStash<B: Backend> {
    /// The output, `[rows, width]`.
    pub(crate) y: B::Buffer,
    /// The factor of each row, `[rows · heads]`.
    pub(crate) inverse_rms: B::Buffer,
}

impl<B: Backend> Default for NormStash<B> {
    fn default() -> Self {
        Self { y: B::Buffer::default(), inverse_rms: B::Buffer::default() }
    }
}

impl Norm {
    /// Fills the stash; its `y` is the output.
    pub(crate) fn forward<B: Backend>(&self, pass: &Pass<B>, x: &B::Buffer, stash: &mut NormStash<B>) {
        pass.backend.rms_norm(&mut stash.y, &mut stash.inverse_rms, x, &pass.params[self.scale], self.eps);
    }

    /// Shows the visitor its side, then adds the gradient at the input to `dx`.
    pub(crate) fn backward<B: Backend>(
        &self,
        pass: &Pass<B>,
        x: &B::Buffer,
        stash: &NormStash<B>,
        dy: &B::Buffer,
        scope: TokenScope,
        dx: &mut B::Buffer,
        visitor: &mut impl Visitor<B>,
    ) {
        let inverse_rms = &stash.inverse_rms;
        if self.trained {
            let (scale, heads) = (self.scale, self.heads);
            visitor.norm(pass.backend, NormVisit { scale, x, inverse_rms, dy, heads, scope });
        }
        pass.backend.rms_norm_backward(dx, dy, x, &pass.params[self.scale], inverse_rms);
    }
}
