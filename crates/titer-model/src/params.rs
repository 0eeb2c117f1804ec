//! Named parameters: what a decoder is made of, and anything of the same shape (gradients, moments, directions).

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};

use crate::{backend::Backend, config::Config, real::Real};

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

/// The parameters of one block.
#[derive(Clone, Copy, Debug)]
pub struct BlockIds {
    /// Scale of the norm before attention.
    pub attention_norm: ParamId,
    /// Query projection.
    pub query: ParamId,
    /// Key projection.
    pub key: ParamId,
    /// Value projection.
    pub value: ParamId,
    /// Output projection of attention.
    pub output: ParamId,
    /// Scale of the norm before the MLP.
    pub mlp_norm: ParamId,
    /// Gate projection.
    pub gate: ParamId,
    /// Up projection.
    pub up: ParamId,
    /// Down projection.
    pub down: ParamId,
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
    /// The parameters of a Llama-style decoder, under their Hugging Face names.
    pub fn of(config: &Config) -> (Self, Ids) {
        let mut specs = Vec::new();
        let mut add = |name: String, shape: &[usize], role| {
            specs.push(ParamSpec { name, shape: shape.to_vec(), role, trained: true });
            ParamId(specs.len() - 1)
        };
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let (queries, keys) = (config.query_width(), config.key_width());
        let embedding = add("model.embed_tokens.weight".into(), &[config.vocab_size, width], Role::Embedding);
        let blocks = (0..config.num_hidden_layers)
            .map(|at| {
                let mut add =
                    |name: &str, shape: &[usize], role| add(format!("model.layers.{at}.{name}.weight"), shape, role);
                BlockIds {
                    attention_norm: add("input_layernorm", &[width], Role::Scale),
                    query: add("self_attn.q_proj", &[queries, width], Role::Matrix),
                    key: add("self_attn.k_proj", &[keys, width], Role::Matrix),
                    value: add("self_attn.v_proj", &[keys, width], Role::Matrix),
                    output: add("self_attn.o_proj", &[width, queries], Role::Matrix),
                    mlp_norm: add("post_attention_layernorm", &[width], Role::Scale),
                    gate: add("mlp.gate_proj", &[inner, width], Role::Matrix),
                    up: add("mlp.up_proj", &[inner, width], Role::Matrix),
                    down: add("mlp.down_proj", &[width, inner], Role::Matrix),
                }
            })
            .collect();
        let final_norm = add("model.norm.weight".into(), &[width], Role::Scale);
        let head = if config.tie_word_embeddings {
            embedding
        } else {
            add("lm_head.weight".into(), &[config.vocab_size, width], Role::Matrix)
        };
        (Self { specs }, Ids { embedding, blocks, final_norm, head })
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

    /// Random weights from a seed: scales at 1; matrices normal with variance `1 / (3 · inputs)`, which is the
    /// variance of PyTorch's default for linear layers; embeddings normal with standard deviation 0.1.
    pub fn random(backend: &B, layout: &Layout, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let buffers = layout
            .specs
            .iter()
            .map(|spec| {
                let deviation = match spec.role {
                    Role::Scale => return backend.upload(vec![B::Real::of(1.0); spec.len()]),
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
