//! Working space of one pass over one batch.

use crate::{
    backend::Backend,
    layers::{AttentionStash, HeadStash, MlpStash},
};

/// Working space of one pass over one batch, reused from batch to batch.
#[derive(Debug)]
pub struct Tape<B: Backend> {
    /// The residual stream before, within and after each block.
    pub(super) stream: Vec<B::Buffer>,
    pub(super) blocks: Vec<(AttentionStash<B>, MlpStash<B>)>,
    pub(super) head: HeadStash<B>,
    pub(super) d_stream: B::Buffer,
}

impl<B: Backend> Default for Tape<B> {
    fn default() -> Self {
        Self { stream: Vec::new(), blocks: Vec::new(), head: HeadStash::default(), d_stream: B::Buffer::default() }
    }
}
