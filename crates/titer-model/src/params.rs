//! Named parameters: what a decoder is made of, and anything of the same shape (gradients, moments, directions).

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};

use crate::{
    backend::Backend,
    config::Config,
    family::{Norms, QueryKeyNorm},
    real::Real,
};

/// Which parameter of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ParamId(pub usize);

/// What a parameter does, which decides how it starts and whether weight decay applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A table with one row per token.
    Embedding,
    /// The weight of a linear layer, `[outputs, inputs]`.
    Matrix,
    /// The bias of a linear layer, `[outputs]`.
    Bias,
    /// The scale of a norm, `[width]`.
    Scale,
}

/// Name, shape and role of one parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamSpec {
    /// Its name in Hugging Face files.
    pub name: String,
    /// Its shape, row-major.
    pub shape: Vec<usize>,
    /// What it does.
    pub role: Role,
    /// Whether files hold it less 1.
    pub less_one: bool,
    /// Whether training moves it. A frozen parameter gets no gradient, no moment and no memory for either.
    pub trained: bool,
}

impl ParamSpec {
    /// How many numbers it holds.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it holds no number.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The parameters that a decoder has, in a fixed order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// One entry per parameter.
    pub specs: Vec<ParamSpec>,
}

/// The parameters of a linear layer.
#[derive(Clone, Copy, Debug)]
pub struct LinearIds {
    /// `[outputs, inputs]`
    pub weight: ParamId,
    /// `[outputs]`
    pub bias: Option<ParamId>,
}

/// The parameters of one block.
#[derive(Clone, Copy, Debug)]
pub struct BlockIds {
    /// Scale of the norm before attention.
    pub attention_before: Option<ParamId>,
    /// Query projection.
    pub query: LinearIds,
    /// Key projection.
    pub key: LinearIds,
    /// Value projection.
    pub value: LinearIds,
    /// Output projection of attention.
    pub output: LinearIds,
    /// Scale of the norm of queries.
    pub query_norm: Option<ParamId>,
    /// Scale of the norm of keys.
    pub key_norm: Option<ParamId>,
    /// Scale of the norm after attention.
    pub attention_after: Option<ParamId>,
    /// Scale of the norm before the MLP.
    pub mlp_before: Option<ParamId>,
    /// Gate projection.
    pub gate: LinearIds,
    /// Up projection.
    pub up: LinearIds,
    /// Down projection.
    pub down: LinearIds,
    /// Scale of the norm after the MLP.
    pub mlp_after: Option<ParamId>,
}

/// Where each part of a decoder finds its parameters.
#[derive(Clone, Debug)]
pub struct Ids {
    /// The embedding table.
    pub embedding: ParamId,
    /// One entry per block.
    pub blocks: Vec<BlockIds>,
    /// Scale of the last norm.
    pub final_norm: ParamId,
    /// The output head, which is the embedding table where they are tied.
    pub head: ParamId,
}

impl Layout {
    /// The parameters of a decoder, under their Hugging Face names.
    pub fn of(config: &Config) -> (Self, Ids) {
        let mut specs = Specs { specs: Vec::new(), less_one: config.variant.family.traits().scales_less_one };
        let width = config.hidden_size;
        let embedding = specs.add("model.embed_tokens.weight", &[config.vocab_size, width], Role::Embedding);
        let blocks = (0..config.num_hidden_layers).map(|at| specs.block(config, at)).collect();
        let final_norm = specs.scale("model.norm", width);
        let head = if config.tie_word_embeddings {
            embedding
        } else {
            specs.add("lm_head.weight", &[config.vocab_size, width], Role::Matrix)
        };
        (Self { specs: specs.specs }, Ids { embedding, blocks, final_norm, head })
    }

    /// How many numbers all parameters hold together.
    pub fn len(&self) -> usize {
        self.specs.iter().map(ParamSpec::len).sum()
    }

    /// Whether there is no parameter.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many numbers training moves.
    pub fn trained(&self) -> usize {
        self.specs.iter().filter(|spec| spec.trained).map(ParamSpec::len).sum()
    }
}

/// A layout in the making.
struct Specs {
    specs: Vec<ParamSpec>,
    less_one: bool,
}

impl Specs {
    fn add(&mut self, name: &str, shape: &[usize], role: Role) -> ParamId {
        let less_one = self.less_one && role == Role::Scale;
        self.specs.push(ParamSpec { name: name.to_owned(), shape: shape.to_vec(), role, less_one, trained: true });
        ParamId(self.specs.len() - 1)
    }

    fn scale(&mut self, name: &str, width: usize) -> ParamId {
        self.add(&format!("{name}.weight"), &[width], Role::Scale)
    }

    fn linear(&mut self, name: &str, (outputs, inputs): (usize, usize), bias: bool) -> LinearIds {
        let weight = self.add(&format!("{name}.weight"), &[outputs, inputs], Role::Matrix);
        let bias = bias.then(|| self.add(&format!("{name}.bias"), &[outputs], Role::Bias));
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
        BlockIds {
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
        }
    }
}

/// One buffer per parameter of a layout: weights, gradients, moments or a direction. In all but the weights, the
/// buffers of frozen parameters are empty.
#[derive(Clone, Debug)]
pub struct Params<B: Backend> {
    /// The buffers, in the layout's order.
    pub buffers: Vec<B::Buffer>,
}

impl<B: Backend> Params<B> {
    /// A zero for everything that training moves.
    pub fn zeros(backend: &B, layout: &Layout) -> Self {
        let len = |spec: &ParamSpec| if spec.trained { spec.len() } else { 0 };
        let buffers = layout.specs.iter().map(|spec| backend.upload(vec![B::Real::of(0.0); len(spec)])).collect();
        Self { buffers }
    }

    /// Random weights from a seed: scales at 1; biases at 0; matrices normal with variance `1 / (3 · inputs)`, which is the
    /// variance of PyTorch's default for linear layers; embeddings normal with standard deviation 0.1.
    pub fn random(backend: &B, layout: &Layout, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let buffers = layout
            .specs
            .iter()
            .map(|spec| {
                let constant = |value| backend.upload(vec![B::Real::of(value); spec.len()]);
                let deviation = match spec.role {
                    Role::Scale => return constant(1.0),
                    Role::Bias => return constant(0.0),
                    Role::Embedding => 0.1,
                    Role::Matrix => (3.0 * spec.shape[1] as f64).sqrt().recip(),
                };
                let draw = |_| {
                    let normal: f64 = StandardNormal.sample(&mut rng);
                    B::Real::of(normal * deviation)
                };
                backend.upload((0..spec.len()).map(draw).collect())
            })
            .collect();
        Self { buffers }
    }

    /// Sets every number to zero.
    pub fn clear(&mut self, backend: &B) {
        for buffer in &mut self.buffers {
            backend.fill(buffer, B::Real::of(0.0));
        }
    }

    /// `self += factor · other`, where `other` has numbers.
    pub fn add_scaled(&mut self, backend: &B, factor: f64, other: &Self) {
        for (to, from) in self.buffers.iter_mut().zip(&other.buffers) {
            if backend.len(from) > 0 {
                backend.add_scaled(to, B::Real::of(factor), from);
            }
        }
    }

    /// `self *= factor`
    pub fn scale(&mut self, backend: &B, factor: f64) {
        for buffer in &mut self.buffers {
            backend.scale(buffer, B::Real::of(factor));
        }
    }

    /// `⟨self, other⟩`, accumulated in f64.
    pub fn dot(&self, backend: &B, other: &Self) -> f64 {
        self.buffers.iter().zip(&other.buffers).map(|(a, b)| backend.dot(a, b)).sum()
    }

    /// Euclidean norm over all parameters.
    pub fn norm(&self, backend: &B) -> f64 {
        self.dot(backend, self).sqrt()
    }
}

impl<B: Backend> std::ops::Index<ParamId> for Params<B> {
    type Output = B::Buffer;

    fn index(&self, id: ParamId) -> &B::Buffer {
        &self.buffers[id.0]
    }
}

impl<B: Backend> std::ops::IndexMut<ParamId> for Params<B> {
    fn index_mut(&mut self, id: ParamId) -> &mut B::Buffer {
        &mut self.buffers[id.0]
    }
}
