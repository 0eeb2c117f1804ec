//! A decoder: an embedding, blocks of attention and MLP, and a head.

use crate::{
    backend::{Backend, Heads},
    cache::Cache,
    config::Config,
    family::{QueryKeyNorm, RopeScaling},
    layers::{Attention, AttentionStash, Head, HeadStash, Linear, Mlp, MlpStash, Norm, Pass, Projection, Residual},
    packed::Packed,
    params::{BlockIds, Ids, Layout, LinearIds, ParamId, Params},
    real::Real,
    stored::Stored,
    visitor::{EmbeddingVisit, Scope, Visitor},
};

/// The layers of a decoder; the weights are kept apart, in [`Params`], but for those that stay in their file.
#[derive(Clone, Debug)]
pub struct Decoder<B: Backend> {
    /// Its shape.
    pub config: Config,
    /// Its parameters' names and shapes.
    pub layout: Layout,
    /// The weights that stay in their file, by parameter.
    pub(crate) stored: Vec<Option<Stored>>,
    backend: B,
    embedding: ParamId,
    /// Factor on embeddings, where the family has one.
    embedding_scale: Option<f64>,
    blocks: Vec<(Attention, Mlp)>,
    head: Head,
    /// Tables of rotary angles: of most layers, and of those that slide where they have their own.
    ropes: Vec<B::Buffer>,
}

/// Working space of one pass over one batch, reused from batch to batch.
#[derive(Debug)]
pub struct Tape<B: Backend> {
    /// The residual stream before, within and after each block.
    stream: Vec<B::Buffer>,
    blocks: Vec<(AttentionStash<B>, MlpStash<B>)>,
    head: HeadStash<B>,
    d: B::Buffer,
}

impl<B: Backend> Default for Tape<B> {
    fn default() -> Self {
        Self { stream: Vec::new(), blocks: Vec::new(), head: HeadStash::default(), d: B::Buffer::default() }
    }
}

impl<B: Backend> Decoder<B> {
    /// The decoder of a shape that [`Config::check`] accepts.
    pub fn new(backend: B, config: Config) -> Self {
        let (layout, Ids { embedding, blocks, final_norm, head }) = Layout::of(&config);
        let block = |(at, ids): (usize, &BlockIds)| (attention(&config, at, ids), mlp(&config, ids));
        let blocks = blocks.iter().enumerate().map(block).collect();
        let (width, softcap) = (config.hidden_size, config.variant.logit_softcap);
        let vocabulary = linear(LinearIds { weight: head, bias: None }, width, config.vocab_size);
        let head = Head { norm: norm(&config, final_norm, 1), vocabulary, softcap };
        let local = config.variant.sliding.as_ref().and_then(|sliding| sliding.rope_theta);
        let scaling = config.variant.rope_scaling;
        let bases = [Some((config.rope_theta, scaling)), local.map(|theta| (theta, RopeScaling::Plain))];
        let rope = |(theta, scaling)| backend.upload(rope_table(&config, theta, scaling));
        let ropes = bases.into_iter().flatten().map(rope).collect();
        let embedding_scale = config.variant.family.traits().scaled_embedding.then(|| (width as f64).sqrt());
        Self { config, layout, stored: Vec::new(), backend, embedding, embedding_scale, blocks, head, ropes }
    }

    /// The embedding table, which is also the output head where they are tied.
    pub fn embedding(&self) -> ParamId {
        self.embedding
    }

    /// Where it computes.
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// The forward pass: log-probability of every target, in nats, `[targets]`.
    ///
    /// Panics where a token is outside the vocabulary or a row is longer than the model's positions.
    pub fn forward(&self, params: &Params<B>, packed: &Packed, tape: &mut Tape<B>) -> Vec<B::Real> {
        self.target_log_probs(params, packed, tape, true)
    }

    /// [`Decoder::forward`] where no backward pass follows: it keeps the activations of one block alone.
    pub fn score(&self, params: &Params<B>, packed: &Packed, tape: &mut Tape<B>) -> Vec<B::Real> {
        self.target_log_probs(params, packed, tape, false)
    }

    fn target_log_probs(
        &self,
        params: &Params<B>,
        packed: &Packed,
        tape: &mut Tape<B>,
        backward: bool,
    ) -> Vec<B::Real> {
        let pass = self.pass(params, packed);
        let last = self.run_blocks(&pass, tape, backward, None);
        self.head.forward(&pass, &tape.stream[last], backward, &mut tape.head)
    }

    /// The forward pass: log-probabilities of the whole vocabulary, in nats, `[outputs, vocabulary]`.
    pub fn log_probs(&self, params: &Params<B>, packed: &Packed, tape: &mut Tape<B>) -> Vec<B::Real> {
        let pass = self.pass(params, packed);
        let last = self.run_blocks(&pass, tape, false, None);
        self.backend.download(self.head.log_probs(&pass, &tape.stream[last], &mut tape.head))
    }

    /// The same for tokens that come behind those in a cache: they go into these empty `slots`, `[tokens]`, and reach slots.
    pub fn log_probs_behind(
        &self,
        params: &Params<B>,
        packed: &Packed,
        (cache, slots): (&mut Cache<B>, &[u32]),
        tape: &mut Tape<B>,
    ) -> Vec<B::Real> {
        assert_eq!(slots.len(), packed.tokens.len(), "one slot per token");
        let pass = self.pass(params, packed);
        let last = self.run_blocks(&pass, tape, false, Some((cache, slots)));
        self.backend.download(self.head.log_probs(&pass, &tape.stream[last], &mut tape.head))
    }

    /// The backward pass of `Σ weights[i] · (−log p(target i))`, right after [`Decoder::forward`] on the same batch
    /// and tape. Every parameter's turn goes to the visitor, from the last layer to the first.
    pub fn backward(
        &self,
        params: &Params<B>,
        packed: &Packed,
        weights: &[B::Real],
        tape: &mut Tape<B>,
        visitor: &mut impl Visitor<B>,
    ) {
        let pass = self.pass(params, packed);
        let Tape { stream, blocks, head, d } = tape;
        let last = self.blocks.len() - 1;
        self.head.backward(&pass, &stream[2 * last + 2], weights, d, head, visitor);
        for (at, ((attention, mlp), (attention_stash, mlp_stash))) in self.blocks.iter().zip(blocks).enumerate().rev() {
            let scope = self.scope(at);
            mlp.backward(&pass, &stream[2 * at + 1], scope, d, mlp_stash, visitor);
            attention.backward(&pass, &stream[2 * at], scope, d, attention_stash, visitor);
        }
        if let Some(scale) = self.embedding_scale {
            self.backend.scale(d, B::Real::of(scale));
        }
        if self.layout.specs[self.embedding.0].trained {
            let (tokens, width) = (packed.tokens.as_slice(), self.config.hidden_size);
            visitor.embedding(&self.backend, EmbeddingVisit { table: self.embedding, tokens, dy: d, width });
        }
    }

    /// Every linear layer, from the first block to the head.
    pub(crate) fn each_linear(&mut self, with: &mut impl FnMut(&mut Linear)) {
        for (attention, mlp) in &mut self.blocks {
            let Attention { query, key, value, output, .. } = attention;
            [&mut query.linear, &mut key.linear, value, output].into_iter().for_each(&mut *with);
            [&mut mlp.gate, &mut mlp.up, &mut mlp.down].into_iter().for_each(&mut *with);
        }
        with(&mut self.head.vocabulary);
    }

    pub(crate) fn freeze_norms(&mut self) {
        for (attention, mlp) in &mut self.blocks {
            let Attention { residual, query, key, .. } = attention;
            let norms = [&mut residual.before, &mut residual.after, &mut query.norm, &mut key.norm];
            let norms = norms.into_iter().chain([&mut mlp.residual.before, &mut mlp.residual.after]);
            norms.flatten().for_each(|norm| norm.trained = false);
        }
        self.head.norm.trained = false;
    }

    fn pass<'a>(&'a self, params: &'a Params<B>, packed: &'a Packed) -> Pass<'a, B> {
        let window = self.config.variant.sliding.as_ref().map(|sliding| sliding.window);
        Pass::new(&self.backend, params, &self.stored, packed, &self.ropes, window)
    }

    /// Only the last block may skip the positions whose logits nobody reads: the others feed its keys and values.
    fn scope(&self, block: usize) -> Scope {
        if block + 1 == self.blocks.len() { Scope::Outputs } else { Scope::All }
    }

    /// From the tokens to the residual stream after the last block, which is that of the tape's at the index returned. For a
    /// `backward` pass each block has its own place on the tape, else all share one.
    fn run_blocks(
        &self,
        pass: &Pass<B>,
        tape: &mut Tape<B>,
        backward: bool,
        mut cache: Option<(&mut Cache<B>, &[u32])>,
    ) -> usize {
        let places = if backward { self.blocks.len() } else { 1 };
        tape.stream.resize_with(tape.stream.len().max(2 * places + 1), B::Buffer::default);
        tape.blocks.resize_with(tape.blocks.len().max(places), Default::default);
        let (tokens, width) = (&pass.packed.tokens, self.config.hidden_size);
        match self.stored(self.embedding) {
            Some(table) => self.backend.gather_stored(&mut tape.stream[0], table, tokens, width),
            None => self.backend.gather(&mut tape.stream[0], &pass.params[self.embedding], tokens, width),
        }
        if let Some(scale) = self.embedding_scale {
            self.backend.scale(&mut tape.stream[0], B::Real::of(scale));
        }
        for (at, (attention, mlp)) in self.blocks.iter().enumerate() {
            let (scope, place) = (self.scope(at), at.min(places - 1));
            if place < at {
                tape.stream.swap(2 * place, 2 * place + 2);
            }
            let [before, within, after] = &mut tape.stream[2 * place..2 * place + 3] else { unreachable!() };
            let (attention_stash, mlp_stash) = &mut tape.blocks[place];
            let past = cache.as_mut().map(|(cache, slots)| cache.layer(at, slots));
            attention.forward(pass, before, scope, within, attention_stash, past);
            mlp.forward(pass, within, scope, after, mlp_stash);
        }
        2 * places
    }
}

fn linear(LinearIds { weight, bias }: LinearIds, inputs: usize, outputs: usize) -> Linear {
    Linear { weight, bias, inputs, outputs, trained: true, lora: None }
}

fn norm(config: &Config, scale: ParamId, heads: usize) -> Norm {
    Norm { scale, eps: config.rms_norm_eps, heads, trained: true }
}

fn residual(config: &Config, before: Option<ParamId>, after: Option<ParamId>) -> Residual {
    let norm = |scale| norm(config, scale, 1);
    Residual { before: before.map(norm), after: after.map(norm) }
}

fn attention(config: &Config, at: usize, ids: &BlockIds) -> Attention {
    let variant = &config.variant;
    let (width, queries, keys) = (config.hidden_size, config.query_width(), config.key_width());
    let sliding = variant.sliding.as_ref().filter(|sliding| sliding.layers[at]);
    let rope = config.rotary(at).then(|| usize::from(sliding.is_some_and(|sliding| sliding.rope_theta.is_some())));
    let head_width = config.head_width();
    let heads_apart = variant.family.traits().query_key_norm == Some(QueryKeyNorm::Head);
    let projection = |ids, scale: Option<ParamId>, heads: usize| {
        let norm = scale.map(|scale| norm(config, scale, if heads_apart { heads } else { 1 }));
        Projection { linear: linear(ids, width, heads * head_width), norm, rope, head_width }
    };
    let (query_heads, key_heads) = (config.num_attention_heads, config.num_key_value_heads);
    Attention {
        residual: residual(config, ids.attention_before, ids.attention_after),
        query: projection(ids.query, ids.query_norm, query_heads),
        key: projection(ids.key, ids.key_norm, key_heads),
        value: linear(ids.value, width, keys),
        output: linear(ids.output, queries, width),
        heads: Heads {
            queries: query_heads,
            keys: key_heads,
            width: head_width,
            scale: variant.query_pre_attn_scalar.unwrap_or(head_width as f64).sqrt().recip(),
            softcap: variant.attention_softcap,
        },
        sliding: sliding.is_some(),
    }
}

fn mlp(config: &Config, ids: &BlockIds) -> Mlp {
    let (width, inner) = (config.hidden_size, config.intermediate_size);
    Mlp {
        residual: residual(config, ids.mlp_before, ids.mlp_after),
        gate: linear(ids.gate, width, inner),
        up: linear(ids.up, width, inner),
        down: linear(ids.down, inner, width),
        activation: config.variant.activation,
    }
}

/// `[positions, width/2 cosines then width/2 sines]` of the rotary angles `position · frequency`, the frequencies
/// `theta^(−2i/width)` scaled.
fn rope_table<T: Real>(config: &Config, theta: f64, scaling: RopeScaling) -> Vec<T> {
    let width = config.head_width();
    let frequency = |at| scaling.apply(theta.powf(-2.0 * at as f64 / width as f64));
    let frequencies: Vec<f64> = (0..width / 2).map(frequency).collect();
    let mut table = Vec::with_capacity(config.max_position_embeddings * width);
    for position in 0..config.max_position_embeddings {
        let angles = || frequencies.iter().map(|frequency| position as f64 * frequency);
        table.extend(angles().map(|angle| T::of(angle.cos())));
        table.extend(angles().map(|angle| T::of(angle.sin())));
    }
    table
}
