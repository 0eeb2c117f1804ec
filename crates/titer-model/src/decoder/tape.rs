//! Working space of one pass over one batch.

use crate::{
    backend::Backend,
    layers::{AttentionStash, HeadStash, MlpStash, Placed},
};

/// Working space of one pass over one batch, reused from batch to batch.
#[derive(Debug)]
pub struct Tape<B: Backend> {
    /// The batch of the last forward pass.
    pub(super) placed: Option<Placed<B>>,
    /// The residual stream before, within and after each block.
    pub(super) stream: Vec<B::Buffer>,
    /// What each block keeps for the backward pass; where they are computed again, one place that all share.
    pub(super) blocks: Vec<(AttentionStash<B>, MlpStash<B>)>,
    /// Whether the backward pass computes blocks again.
    pub(super) recomputes: bool,
    pub(super) head: HeadStash<B>,
    pub(super) d_stream: B::Buffer,
}

impl<B: Backend> Default for Tape<B> {
    fn default() -> Self {
        let (placed, stream, blocks, recomputes, head) = Default::default();
        Self { placed, stream, blocks, recomputes, head, d_stream: B::Buffer::default() }
    }
}
