//! Who sees the backward pass: a visitor is handed the inputs and output gradients of every parameter.
//!
//! Summing them gives the batch gradient ([`crate::passes::Accumulate`]); contracting them row by row gives per-row
//! pressures without ever storing a per-row gradient. The backward pass itself knows of neither.

use super::TokenScope;
use crate::{backend::Backend, params::ParamId};

/// A linear layer `y = x Wᵀ` seen from its backward pass. A bias is one with a single input that is always 1.
#[derive(Clone, Copy, Debug)]
pub struct LinearVisit<'a, B: Backend> {
    /// Which weight, `[outputs, inputs]`.
    pub weight: ParamId,
    /// The layer's input, `[rows, inputs]`.
    pub x: &'a B::Buffer,
    /// The gradient at its output, `[rows, outputs]`.
    pub dy: &'a B::Buffer,
    /// Rows of `x` and `dy`.
    pub rows: usize,
    /// Width of `x`.
    pub inputs: usize,
    /// Width of `dy`.
    pub outputs: usize,
    /// What the rows stand for.
    pub scope: TokenScope,
}

/// A norm `y = x · r · scale` seen from its backward pass. Where heads are normed one by one, each is a row.
#[derive(Clone, Copy, Debug)]
pub struct NormVisit<'a, B: Backend> {
    /// Which scale, `[width]`.
    pub scale: ParamId,
    /// The norm's input, `[rows, width]`.
    pub x: &'a B::Buffer,
    /// The factor `r` of each row, `[rows]`.
    pub inverse_rms: &'a B::Buffer,
    /// The gradient at its output, `[rows, width]`.
    pub dy: &'a B::Buffer,
    /// Rows per packed position: 1, or the number of heads.
    pub heads: usize,
    /// What the positions are.
    pub scope: TokenScope,
}

/// An embedding look-up seen from its backward pass.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddingVisit<'a, B: Backend> {
    /// Which table, `[vocabulary, width]`.
    pub table: ParamId,
    /// The tokens looked up, `[rows]`.
    pub tokens: &'a B::Ids,
    /// The gradient at the look-up's output, `[rows, width]`.
    pub dy: &'a B::Buffer,
    /// Width of a row.
    pub width: usize,
}

/// Receives every parameter's share of the backward pass, from the last layer to the first.
pub trait Visitor<B: Backend> {
    /// A linear layer's turn.
    fn linear(&mut self, backend: &B, visit: LinearVisit<'_, B>);

    /// A norm's turn.
    fn norm(&mut self, backend: &B, visit: NormVisit<'_, B>);

    /// The embedding's turn.
    fn embedding(&mut self, backend: &B, visit: EmbeddingVisit<'_, B>);
}
