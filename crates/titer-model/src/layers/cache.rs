//! Keys and values of tokens that were fed before, so that a reply is drawn without running its prefix again.
//!
//! A cache is a set of slots, each for one token, in every layer. Whoever feeds tokens says into which slots they go; a
//! token's [`crate::packed::Reach`] is then over slots, not over positions in its own batch.

use crate::{backend::Backend, shape::Config};

/// Keys and values of every layer, `[slots, heads · width]`.
#[derive(Debug)]
pub(crate) struct Cache<B: Backend> {
    layers: Vec<(B::Buffer, B::Buffer)>,
}

/// How many numbers a cache has for each slot.
pub(crate) fn slot_numbers(config: &Config) -> usize {
    2 * config.num_hidden_layers * config.key_width()
}

/// One layer of a cache, and where this batch's tokens go.
#[derive(Debug)]
pub(crate) struct Past<'a, B: Backend> {
    /// A slot for each token of the batch; none has been filled before.
    pub(crate) slots: &'a B::Ids,
    /// Keys, `[slots, heads · width]`.
    pub(crate) keys: &'a mut B::Buffer,
    /// Values, the same.
    pub(crate) values: &'a mut B::Buffer,
}

impl<B: Backend> Cache<B> {
    /// A cache with this many empty slots.
    pub(crate) fn new(backend: &B, config: &Config, slots: usize) -> Self {
        let empty = || {
            let mut buffer = B::Buffer::default();
            backend.zero(&mut buffer, slots * config.key_width());
            buffer
        };
        Self { layers: (0..config.num_hidden_layers).map(|_| (empty(), empty())).collect() }
    }

    /// A layer of it, for tokens that go into these slots.
    pub(crate) fn layer<'a>(&'a mut self, layer: usize, slots: &'a B::Ids) -> Past<'a, B> {
        let (keys, values) = &mut self.layers[layer];
        Past { slots, keys, values }
    }
}

impl<B: Backend> Past<'_, B> {
    /// Puts a batch's keys and values, `[tokens, width]`, into its slots.
    pub(crate) fn put(&mut self, backend: &B, keys: &B::Buffer, values: &B::Buffer, width: usize) {
        // Empty slots hold zeros.
        backend.scatter_add(self.keys, keys, self.slots, width);
        backend.scatter_add(self.values, values, self.slots, width);
    }
}
