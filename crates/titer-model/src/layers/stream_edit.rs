//! What a training pass does to the residual stream behind a block: a vector is added, or a direction is taken out.
//!
//! Adding one is preventative steering (arXiv 2507.21509), taking one out is concept ablation (CAFT, arXiv 2507.16795). Both are a
//! product with one vector for all tokens, so they need no operation of their own.

use super::{Pass, TokenScope};
use crate::{
    backend::{Backend, Matrix, Write},
    real::Real,
};

/// What becomes of the residual stream `h` behind a block, at every token.
#[derive(Clone, Debug)]
pub enum StreamEdit<B: Backend> {
    /// `h + v`, with `v` of shape `[width]`.
    Add(B::Buffer),
    /// `h − (h·q) q`, with `q` of shape `[width]` and length 1.
    Remove(B::Buffer),
}

impl<B: Backend> StreamEdit<B> {
    /// Adds `vector` to the stream.
    pub fn add(backend: &B, vector: &[f64]) -> Self {
        Self::Add(backend.upload(vector.iter().map(|&number| B::Real::of(number)).collect()))
    }

    /// Takes the direction of `vector` out of the stream; panics where it has none.
    pub fn remove(backend: &B, vector: &[f64]) -> Self {
        let length = vector.iter().map(|number| number * number).sum::<f64>().sqrt();
        assert!(length.is_finite() && length > 0.0, "a vector of length {length} has no direction");
        Self::Remove(backend.upload(vector.iter().map(|&number| B::Real::of(number / length)).collect()))
    }

    /// The vector, `[width]`.
    pub(crate) fn vector(&self) -> &B::Buffer {
        let (Self::Add(vector) | Self::Remove(vector)) = self;
        vector
    }

    /// The same in another backend's memory.
    pub(crate) fn moved(&self, there: impl Fn(&B::Buffer) -> B::Buffer) -> Self {
        match self {
            Self::Add(vector) => Self::Add(there(vector)),
            Self::Remove(direction) => Self::Remove(there(direction)),
        }
    }

    /// Edits the stream `h`, `[rows in scope, width]`.
    pub(crate) fn forward(&self, pass: &Pass<B>, scope: TokenScope, h: &mut B::Buffer) {
        match self {
            Self::Add(vector) => {
                let (rows, width) = (pass.rows(scope), pass.backend.len(vector));
                let ones = Matrix::new(&pass.placed.ones, rows, 1);
                pass.backend.matmul(h, ones, Matrix::new(vector, 1, width), Write::Add);
            }
            Self::Remove(direction) => remove(pass, scope, h, direction),
        }
    }

    /// Turns `d`, the gradient behind the edit, into that before it: a projection is its own transpose, and a vector is the same
    /// for every `h`.
    pub(crate) fn backward(&self, pass: &Pass<B>, scope: TokenScope, d: &mut B::Buffer) {
        if let Self::Remove(direction) = self {
            remove(pass, scope, d, direction);
        }
    }
}

/// `x − (x·q) qᵀ` for every row of `x`, `[rows in scope, width]`.
fn remove<B: Backend>(pass: &Pass<B>, scope: TokenScope, x: &mut B::Buffer, direction: &B::Buffer) {
    let (rows, width) = (pass.rows(scope), pass.backend.len(direction));
    let mut along = B::Buffer::default();
    pass.backend.matmul(&mut along, Matrix::new(x, rows, width), Matrix::new(direction, width, 1), Write::Replace);
    pass.backend.scale(&mut along, B::Real::of(-1.0));
    pass.backend.matmul(x, Matrix::new(&along, rows, 1), Matrix::new(direction, 1, width), Write::Add);
}
