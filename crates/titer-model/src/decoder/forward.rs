//! The forward pass, in the forms that callers need: with a backward pass to follow, without, and behind a cache.

use super::{Decoder, Tape};
use crate::{
    backend::Backend,
    layers::{Cache, Pass, TokenScope},
    packed::Packed,
    params::Params,
    real::Real,
};

impl<B: Backend> Decoder<B> {
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
    pub(crate) fn log_probs_behind(
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

    pub(super) fn pass<'a>(&'a self, params: &'a Params<B>, packed: &'a Packed) -> Pass<'a, B> {
        let window = self.config.variant.sliding.as_ref().map(|sliding| sliding.window);
        Pass::new(&self.backend, params, &self.stored, packed, &self.ropes, window)
    }

    /// Only the last block may skip the positions whose logits nobody reads: the others feed its keys and values.
    pub(super) fn scope(&self, block: usize) -> TokenScope {
        if block + 1 == self.blocks.len() { TokenScope::Outputs } else { TokenScope::All }
    }
}
