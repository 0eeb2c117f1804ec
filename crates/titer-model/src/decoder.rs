//! A Llama-style decoder: an embedding, blocks of attention and MLP, and a head.

use crate::{
    backend::{Backend, Heads},
    config::Config,
    layers::{Attention, AttentionStash, Head, HeadStash, Linear, Mlp, MlpStash, Norm, Pass},
    packed::Packed,
    params::{Ids, Layout, ParamId, Params},
    real::Real,
    visitor::{EmbeddingVisit, Scope, Visitor},
};

/// The layers of a decoder; the weights are kept apart, in [`Params`].
#[derive(Clone, Debug)]
pub struct Decoder<B: Backend> {
    /// Its shape.
    pub config: Config,
    /// Its parameters' names and shapes.
    pub layout: Layout,
    backend: B,
    embedding: ParamId,
    blocks: Vec<(Attention, Mlp)>,
    head: Head,
    rope: B::Buffer,
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
        let (layout, ids) = Layout::of(&config);
        let Ids { embedding, blocks, final_norm, head } = ids;
        let norm = |scale| Norm { scale, eps: config.rms_norm_eps, trained: true };
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let (queries, keys) = (config.query_width(), config.key_width());
        let linear = |weight, inputs, outputs| Linear { weight, inputs, outputs, trained: true, lora: None };
        let heads =
            Heads { queries: config.num_attention_heads, keys: config.num_key_value_heads, width: config.head_width() };
        let blocks = blocks
            .iter()
            .map(|ids| {
                let attention = Attention {
                    norm: norm(ids.attention_norm),
                    query: linear(ids.query, width, queries),
                    key: linear(ids.key, width, keys),
                    value: linear(ids.value, width, keys),
                    output: linear(ids.output, queries, width),
                    heads,
                };
                let mlp = Mlp {
                    norm: norm(ids.mlp_norm),
                    gate: linear(ids.gate, width, inner),
                    up: linear(ids.up, width, inner),
                    down: linear(ids.down, inner, width),
                };
                (attention, mlp)
            })
            .collect();
        let head = Head { norm: norm(final_norm), vocabulary: linear(head, width, config.vocab_size) };
        let rope = backend.upload(rope_table(&config));
        Self { config, layout, backend, embedding, blocks, head, rope }
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
        let pass = self.pass(params, packed);
        self.run_forward(&pass, tape);
        self.head.target_log_probs(&pass, &tape.head)
    }

    /// The forward pass: log-probabilities of the whole vocabulary, in nats, `[outputs, vocabulary]`.
    pub fn log_probs(&self, params: &Params<B>, packed: &Packed, tape: &mut Tape<B>) -> Vec<B::Real> {
        self.run_forward(&self.pass(params, packed), tape);
        self.backend.download(&tape.head.log_probs)
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
        if self.layout.specs[self.embedding.0].trained {
            let (tokens, width) = (packed.tokens.as_slice(), self.config.hidden_size);
            visitor.embedding(&self.backend, EmbeddingVisit { table: self.embedding, tokens, dy: d, width });
        }
    }

    /// Every linear layer, from the first block to the head.
    pub(crate) fn each_linear(&mut self, with: &mut impl FnMut(&mut Linear)) {
        for (attention, mlp) in &mut self.blocks {
            let Attention { query, key, value, output, .. } = attention;
            [query, key, value, output].into_iter().for_each(&mut *with);
            [&mut mlp.gate, &mut mlp.up, &mut mlp.down].into_iter().for_each(&mut *with);
        }
        with(&mut self.head.vocabulary);
    }

    pub(crate) fn freeze_norms(&mut self) {
        for (attention, mlp) in &mut self.blocks {
            attention.norm.trained = false;
            mlp.norm.trained = false;
        }
        self.head.norm.trained = false;
    }

    fn pass<'a>(&'a self, params: &'a Params<B>, packed: &'a Packed) -> Pass<'a, B> {
        Pass::new(&self.backend, params, packed, &self.rope)
    }

    /// Only the last block may skip the positions whose logits nobody reads: the others feed its keys and values.
    fn scope(&self, block: usize) -> Scope {
        if block + 1 == self.blocks.len() { Scope::Outputs } else { Scope::All }
    }

    fn run_forward(&self, pass: &Pass<B>, tape: &mut Tape<B>) {
        tape.stream.resize_with(2 * self.blocks.len() + 1, B::Buffer::default);
        tape.blocks.resize_with(self.blocks.len(), Default::default);
        let (embedding, width) = (&pass.params[self.embedding], self.config.hidden_size);
        self.backend.gather(&mut tape.stream[0], embedding, &pass.packed.tokens, width);
        for (at, ((attention, mlp), (attention_stash, mlp_stash))) in
            self.blocks.iter().zip(&mut tape.blocks).enumerate()
        {
            let scope = self.scope(at);
            let [before, within, after] = &mut tape.stream[2 * at..2 * at + 3] else { unreachable!() };
            attention.forward(pass, before, scope, within, attention_stash);
            mlp.forward(pass, within, scope, after, mlp_stash);
        }
        self.head.forward(pass, &tape.stream[2 * self.blocks.len()], &mut tape.head);
    }
}

/// `[positions, width/2 cosines then width/2 sines]` of the rotary angles `position · theta^(−2i/width)`.
fn rope_table<T: Real>(config: &Config) -> Vec<T> {
    let width = config.head_width();
    let half = width / 2;
    (0..config.max_position_embeddings)
        .flat_map(|position| {
            let angle = move |at: usize| position as f64 * config.rope_theta.powf(-2.0 * at as f64 / width as f64);
            let cosines = (0..half).map(move |at| T::of(angle(at).cos()));
            cosines.chain((0..half).map(move |at| T::of(angle(at).sin())))
        })
        .collect()
}
