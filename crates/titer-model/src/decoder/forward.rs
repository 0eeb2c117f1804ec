//! The forward pass, in the forms that callers need: with a backward pass to follow, without, and behind a cache.

use super::{Decoder, Tape};
use crate::{
    backend::Backend,
    layers::{Cache, Pass, Placed, TokenScope},
    packed::Packed,
    params::Params,
    real::Real,
};

/// What a forward pass keeps on its tape.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Each block's activations, in a place of its own.
    Everything,
    /// The residual stream, and the activations of one block alone: the backward pass computes the others again.
    Stream,
    /// One block's: no backward pass follows.
    Nothing,
}

impl<B: Backend> Decoder<B> {
    /// The forward pass: log-probability of every target, in nats, `[targets]`.
    ///
    /// Panics where a token is outside the vocabulary or a row is longer than the model's positions.
    pub fn forward(&self, params: &Params<B>, packed: &Packed, tape: &mut Tape<B>) -> Vec<B::Real> {
        self.target_log_probs(params, packed, tape, self.for_backward(packed))
    }

    /// [`Decoder::forward`] where no backward pass follows: it keeps the activations of one block alone.
    pub fn score(&self, params: &Params<B>, packed: &Packed, tape: &mut Tape<B>) -> Vec<B::Real> {
        self.target_log_probs(params, packed, tape, Keep::Nothing)
    }

    fn target_log_probs(&self, params: &Params<B>, packed: &Packed, tape: &mut Tape<B>, keep: Keep) -> Vec<B::Real> {
        let placed = self.placed(packed);
        let pass = self.pass(params, packed, &placed);
        let last = self.run_blocks(&pass, tape, keep, None);
        let log_probs = self.head.forward(&pass, &tape.stream[last], keep != Keep::Nothing, &mut tape.head);
        tape.placed = Some(placed);
        log_probs
    }

    /// The forward pass: log-probabilities of the whole vocabulary, in nats, `[outputs, vocabulary]`.
    pub fn log_probs(&self, params: &Params<B>, packed: &Packed, tape: &mut Tape<B>) -> Vec<B::Real> {
        let placed = self.placed(packed);
        let pass = self.pass(params, packed, &placed);
        let last = self.run_blocks(&pass, tape, Keep::Nothing, None);
        self.backend.download(self.head.log_probs(&pass, &tape.stream[last], &mut tape.head))
    }

    /// The likeliest tokens in the place of every target, with their log-probabilities, see [`Backend::likeliest`].
    pub fn likeliest(
        &self,
        params: &Params<B>,
        packed: &Packed,
        tape: &mut Tape<B>,
        tail: f64,
    ) -> Vec<Vec<(u32, B::Real)>> {
        let placed = self.placed(packed);
        let pass = self.pass(params, packed, &placed);
        let last = self.run_blocks(&pass, tape, Keep::Nothing, None);
        let log_probs = self.head.log_probs(&pass, &tape.stream[last], &mut tape.head);
        let rows: Vec<u32> = packed.targets.iter().map(|target| target.output).collect();
        self.backend.likeliest(log_probs, &rows, tail, self.config.vocab_size)
    }

    /// [`Decoder::log_probs`] for tokens that come behind those in a cache: they go into these empty `slots`, `[tokens]`, and reach slots. The
    /// log-probabilities stay on the tape, for [`Decoder::draw`].
    pub(crate) fn feed(
        &self,
        params: &Params<B>,
        packed: &Packed,
        (cache, slots): (&mut Cache<B>, &[u32]),
        tape: &mut Tape<B>,
    ) {
        assert_eq!(slots.len(), packed.tokens.len(), "one slot per token");
        let placed = self.placed(packed);
        let pass = self.pass(params, packed, &placed);
        let slots = self.backend.place(slots);
        let last = self.run_blocks(&pass, tape, Keep::Nothing, Some((cache, &slots)));
        self.head.log_probs(&pass, &tape.stream[last], &mut tape.head);
    }

    /// Draws a token for each of `uniforms` by a row of what [`Decoder::feed`] left, see [`Backend::draw`].
    pub(crate) fn draw(&self, tape: &Tape<B>, rows: &[u32], uniforms: &[f64]) -> Vec<u32> {
        self.backend.draw(tape.head.last(), rows, uniforms, self.config.vocab_size)
    }

    /// What [`Decoder::feed`] left: log-probabilities of the whole vocabulary, in nats, `[outputs, vocabulary]`.
    pub(crate) fn fed_log_probs(&self, tape: &Tape<B>) -> Vec<B::Real> {
        self.backend.download(tape.head.last())
    }

    /// From the tokens to the residual stream after the last block, which is that of the tape's at the index returned.
    pub(super) fn run_blocks(
        &self,
        pass: &Pass<B>,
        tape: &mut Tape<B>,
        keep: Keep,
        mut cache: Option<(&mut Cache<B>, &B::Ids)>,
    ) -> usize {
        let (places, stashes) = match keep {
            Keep::Everything => (self.blocks.len(), self.blocks.len()),
            Keep::Stream => (self.blocks.len(), 1),
            Keep::Nothing => (1, 1),
        };
        tape.recomputes = keep == Keep::Stream;
        tape.stream.resize_with(tape.stream.len().max(2 * places + 1), B::Buffer::default);
        tape.blocks.resize_with(tape.blocks.len().max(stashes), Default::default);
        let (tokens, width) = (&pass.placed.tokens, self.config.hidden_size);
        match pass.frozen(self.embedding) {
            Some(table) => self.backend.gather_frozen(&mut tape.stream[0], table, tokens, width),
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
            let (attention_stash, mlp_stash) = &mut tape.blocks[at.min(stashes - 1)];
            let past = cache.as_mut().map(|(cache, slots)| cache.layer(at, slots));
            attention.forward(pass, before, scope, within, attention_stash, past);
            mlp.forward(pass, within, scope, after, mlp_stash);
            if let Some(edit) = self.edit(at) {
                edit.forward(pass, scope, after);
            }
        }
        2 * places
    }

    /// What to keep of a batch for its backward pass.
    fn for_backward(&self, packed: &Packed) -> Keep {
        let bytes = packed.tokens.len() * self.stash_numbers() * self.blocks.len() * size_of::<B::Real>();
        if self.backend.recomputes(bytes) { Keep::Stream } else { Keep::Everything }
    }

    /// Numbers that a block's stashes hold of a token: see `AttentionStash` and `MlpStash`.
    fn stash_numbers(&self) -> usize {
        let config = &self.config;
        let attention = 5 * config.hidden_size + 4 * config.query_width() + 4 * config.key_width();
        attention + 2 * config.hidden_size + 4 * config.intermediate_size
    }

    /// Bytes that a token takes at least on the way to a backward pass, where blocks are computed again in it: the stream before, within and behind
    /// each block, and of one block at a time its stashes, their gradients and what comes between. Where the head is trained, logits and their
    /// gradients too, of a token with a target.
    pub(crate) fn least_bytes(&self) -> usize {
        let (config, head) = (&self.config, &self.head.vocabulary.product);
        let stream = (2 * self.blocks.len() + 1) * config.hidden_size;
        let logits = if head.trained { 3 * head.outputs } else { 0 };
        (stream + 3 * self.stash_numbers() + logits) * size_of::<B::Real>()
    }

    pub(super) fn placed(&self, packed: &Packed) -> Placed<B> {
        let window = self.config.variant.sliding.as_ref().map(|sliding| sliding.window);
        Placed::new(&self.backend, packed, window)
    }

    pub(super) fn pass<'a>(&'a self, params: &'a Params<B>, packed: &'a Packed, placed: &'a Placed<B>) -> Pass<'a, B> {
        let (backend, frozen) = (&self.backend, self.frozen());
        Pass { backend, params, frozen, packed, placed, ropes: &self.ropes, attached: &self.attached }
    }

    /// Only the last block may skip the positions whose logits nobody reads: the others feed its keys and values.
    pub(super) fn scope(&self, block: usize) -> TokenScope {
        if block + 1 == self.blocks.len() { TokenScope::Outputs } else { TokenScope::All }
    }
}
