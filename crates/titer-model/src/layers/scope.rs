//! Which positions a layer works at.

/// Which packed positions the rows of a visited buffer stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenScope {
    /// Every token of the batch, in order.
    All,
    /// The positions in [`crate::packed::Packed::outputs`], in order: the last block works only where logits are
    /// needed.
    Outputs,
}
