//! A decoder: an embedding, blocks of attention and MLP, and a head.

use std::sync::{Arc, OnceLock};

use super::parts::{attention, linear, mlp, norm};
use crate::{
    backend::Backend,
    layers::{Attention, Head, Mlp, StreamEdit},
    params::{BlockIds, Ids, Layout, LinearIds, ParamId, Params},
    shape::{Config, RopeScaling, rope_table},
    stored::{Dtype, Stored},
};

/// The layers of a decoder; the weights are kept apart, in [`Params`], but for those that stay in their file.
#[derive(Clone, Debug)]
pub struct Decoder<B: Backend> {
    /// Its shape.
    pub config: Config,
    /// Its parameters' names and shapes.
    pub layout: Layout,
    /// The weights that stay in their file, by parameter.
    pub(super) stored: Vec<Option<Stored>>,
    /// The same where the backend multiplies them, from the first pass on; clones share them.
    pub(super) frozen: Arc<OnceLock<Vec<Option<B::Frozen>>>>,
    pub(super) backend: B,
    pub(super) embedding: ParamId,
    /// Factor on embeddings, where the family has one.
    pub(super) embedding_scale: Option<f64>,
    pub(super) blocks: Vec<(Attention, Mlp)>,
    /// What becomes of the residual stream behind each block; empty where it stays as it is.
    pub(super) edits: Vec<Option<StreamEdit<B>>>,
    /// The matrices of adapters that are attached frozen.
    pub(super) attached: Vec<B::Buffer>,
    pub(super) head: Head,
    /// Tables of rotary angles: of most layers, and of those that slide where they have their own.
    pub(super) ropes: Vec<B::Buffer>,
}

impl<B: Backend> Decoder<B> {
    /// The decoder of a shape that [`Config::check`] accepts.
    pub fn new(backend: B, config: Config) -> Self {
        let (layout, Ids { embedding, blocks, final_norm, head }) = Layout::of(&config);
        let block = |(at, ids): (usize, &BlockIds)| (attention(&config, at, ids), mlp(&config, ids));
        let blocks = blocks.iter().enumerate().map(block).collect();
        let (width, softcap) = (config.hidden_size, config.variant.logit_softcap);
        let vocabulary = linear(LinearIds { weight: head, bias: None }, width, config.vocab_size);
        let divisor = config.variant.multipliers.map(|multipliers| multipliers.logits);
        let head = Head { norm: norm(&config, final_norm, 1), vocabulary, divisor, softcap };
        let local = config.variant.sliding.as_ref().and_then(|sliding| sliding.rope_theta);
        let plain = RopeScaling::Plain;
        let bases = [Some((config.rope_theta, &config.variant.rope_scaling)), local.map(|theta| (theta, &plain))];
        let positions = config.longest_row();
        let rope = |(theta, scaling)| backend.upload(rope_table(positions, config.head_width(), theta, scaling));
        let ropes = bases.into_iter().flatten().map(rope).collect();
        let multiplier = config.variant.multipliers.map(|multipliers| multipliers.embedding);
        let root = config.variant.family.traits().scaled_embedding.then(|| (width as f64).sqrt());
        let embedding_scale = multiplier.or(root);
        let (stored, frozen, edits, attached) = Default::default();
        Self {
            config,
            layout,
            stored,
            frozen,
            backend,
            embedding,
            embedding_scale,
            blocks,
            edits,
            attached,
            head,
            ropes,
        }
    }

    /// The embedding table, which is also the output head where they are tied.
    pub(crate) fn embedding(&self) -> ParamId {
        self.embedding
    }

    /// Where it computes.
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// The same decoder, computed by a backend that reads the same memory.
    pub fn computed_by(self, backend: B) -> Self {
        Self { backend, frozen: Arc::default(), ..self }
    }

    /// The same decoder, computed by a backend of the same device in other numbers: weights that were brought there are not brought again.
    pub fn computed_in(self, backend: B) -> Self {
        Self { backend, ..self }
    }

    /// The same decoder and its weights, moved to another backend's memory.
    pub fn moved(self, backend: B, params: Params<B>) -> (Self, Params<B>) {
        let there = |buffer: &B::Buffer| backend.upload(self.backend.download(buffer));
        let params = Params { buffers: params.buffers.iter().map(there).collect() };
        let ropes = self.ropes.iter().map(there).collect();
        let edits = self.edits.iter().map(|edit| Some(edit.as_ref()?.moved(there))).collect();
        let attached = self.attached.iter().map(there).collect();
        (Self { ropes, edits, attached, ..self.computed_by(backend) }, params)
    }

    /// Whether a weight stays in its file in this number type.
    pub fn holds(&self, dtype: Dtype) -> bool {
        self.stored.iter().flatten().any(|stored| stored.dtype() == dtype)
    }

    /// The weight of this parameter, where it stays in its file.
    pub fn stored(&self, id: ParamId) -> Option<&Stored> {
        self.stored.get(id.0)?.as_ref()
    }
}
