//! The parameters of a decoder, under their Hugging Face names, and which part of it finds which.

use super::{Layout, ParamId, ParamRole, ParamSpec, TensorPart};
use crate::shape::{Config, Norms, QueryKeyNorm};

/// The parameters of a linear layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinearIds {
    /// `[outputs, inputs]`
    pub(crate) weight: ParamId,
    /// `[outputs]`
    pub(crate) bias: Option<ParamId>,
}

/// The parameters of one block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockIds {
    /// Scale of the norm before attention.
    pub(crate) attention_before: Option<ParamId>,
    /// Query projection.
    pub(crate) query: LinearIds,
    /// Key projection.
    pub(crate) key: LinearIds,
    /// Value projection.
    pub(crate) value: LinearIds,
    /// Output projection of attention.
    pub(crate) output: LinearIds,
    /// Scale of the norm of queries.
    pub(crate) query_norm: Option<ParamId>,
    /// Scale of the norm of keys.
    pub(crate) key_norm: Option<ParamId>,
    /// Scale of the norm after attention.
    pub(crate) attention_after: Option<ParamId>,
    /// Scale of the norm before the MLP.
    pub(crate) mlp_before: Option<ParamId>,
    /// Gate projection.
    pub(crate) gate: LinearIds,
    /// Up projection.
    pub(crate) up: LinearIds,
    /// Down projection.
    pub(crate) down: LinearIds,
    /// Scale of the norm after the MLP.
    pub(crate) mlp_after: Option<ParamId>,
}

/// Where each part of a decoder finds its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    /// The embedding table.
    pub(crate) embedding: ParamId,
    /// One entry per block.
    pub(crate) blocks: Vec<BlockIds>,
    /// Scale of the last norm.
    pub(crate) final_norm: ParamId,
    /// The output head, which is the embedding table where they are tied.
    pub(crate) head: ParamId,
}

impl Layout {
    /// The parameters of a decoder, under their Hugging Face names.
    pub(crate) fn of(config: &Config) -> (Self, Ids) {
        let mut specs = Specs { specs: Vec::new(), less_one: config.variant.family.traits().scales_less_one };
        let width = config.hidden_size;
        let embedding = specs.add("model.embed_tokens.weight", &[config.vocab_size, width], ParamRole::Embedding);
        let blocks = (0..config.num_hidden_layers).map(|at| specs.block(config, at)).collect();
        let final_norm = specs.scale("model.norm", width);
        let head = if config.tie_word_embeddings {
            embedding
        } else {
            specs.add("lm_head.weight", &[config.vocab_size, width], ParamRole::Matrix)
        };
        (Self { specs: specs.specs }, Ids { embedding, blocks, final_norm, head })
    }
}

/// A layout in the making.
struct Specs {
    specs: Vec<ParamSpec>,
    less_one: bool,
}

impl Specs {
    fn add(&mut self, name: &str, shape: &[usize], role: ParamRole) -> ParamId {
        let less_one = self.less_one && role == ParamRole::Scale;
        let (name, shape) = (name.to_owned(), shape.to_vec());
        self.specs.push(ParamSpec { name, shape, role, less_one, part: None, trained: true });
        ParamId(self.specs.len() - 1)
    }

    /// Says that files hold the weights of these layers as one tensor of this name.
    fn fuse(&mut self, tensor: &str, layers: &[LinearIds]) {
        let weights = layers.iter().map(|layer| layer.weight.0);
        let rows: Vec<usize> = weights.clone().map(|at| self.specs[at].shape[0]).collect();
        let mut first = 0;
        for (at, rows_of) in weights.zip(&rows) {
            let shape = vec![rows.iter().sum(), self.specs[at].shape[1]];
            self.specs[at].part = Some(TensorPart { tensor: format!("{tensor}.weight"), shape, first });
            first += rows_of;
        }
    }

    fn scale(&mut self, name: &str, width: usize) -> ParamId {
        self.add(&format!("{name}.weight"), &[width], ParamRole::Scale)
    }

    fn linear(&mut self, name: &str, (outputs, inputs): (usize, usize), bias: bool) -> LinearIds {
        let weight = self.add(&format!("{name}.weight"), &[outputs, inputs], ParamRole::Matrix);
        let bias = bias.then(|| self.add(&format!("{name}.bias"), &[outputs], ParamRole::Bias));
        LinearIds { weight, bias }
    }

    fn block(&mut self, config: &Config, at: usize) -> BlockIds {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let (queries, keys) = (config.query_width(), config.key_width());
        let (variant, traits) = (&config.variant, config.variant.family.traits());
        let (before, after) = (traits.norms != Norms::After, traits.norms != Norms::Before);
        // Hugging Face calls the norm before the MLP `post_attention_layernorm` where there is none after attention.
        let mlp_before = if after { "pre_feedforward_layernorm" } else { "post_attention_layernorm" };
        let (query_norm, key_norm) = match traits.query_key_norm {
            Some(QueryKeyNorm::Projection) => (queries, keys),
            Some(QueryKeyNorm::Head) | None => (config.head_width(), config.head_width()),
        };
        let head_norms = traits.query_key_norm.is_some();
        let (bias, mlp_bias) = (variant.attention_bias, variant.mlp_bias);
        let input_bias = bias || traits.query_key_value_bias;
        let named = |name: &str| format!("model.layers.{at}.{name}");
        let norm = |specs: &mut Self, on: bool, name, width| on.then(|| specs.scale(&named(name), width));
        let linear = |specs: &mut Self, name, shape, bias| specs.linear(&named(name), shape, bias);
        let ids = BlockIds {
            attention_before: norm(self, before, "input_layernorm", width),
            query: linear(self, "self_attn.q_proj", (queries, width), input_bias),
            key: linear(self, "self_attn.k_proj", (keys, width), input_bias),
            value: linear(self, "self_attn.v_proj", (keys, width), input_bias),
            query_norm: norm(self, head_norms, "self_attn.q_norm", query_norm),
            key_norm: norm(self, head_norms, "self_attn.k_norm", key_norm),
            output: linear(self, "self_attn.o_proj", (width, queries), bias),
            attention_after: norm(self, after, "post_attention_layernorm", width),
            mlp_before: norm(self, before, mlp_before, width),
            gate: linear(self, "mlp.gate_proj", (inner, width), mlp_bias),
            up: linear(self, "mlp.up_proj", (inner, width), mlp_bias),
            down: linear(self, "mlp.down_proj", (width, inner), mlp_bias),
            mlp_after: norm(self, after, "post_feedforward_layernorm", width),
        };
        if traits.fused {
            self.fuse(&named("self_attn.qkv_proj"), &[ids.query, ids.key, ids.value]);
            self.fuse(&named("mlp.gate_up_proj"), &[ids.gate, ids.up]);
        }
        ids
    }
}
