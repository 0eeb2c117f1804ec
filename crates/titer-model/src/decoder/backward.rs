//! The backward pass, from the loss to the embedding.

use super::{Decoder, Tape};
use crate::{
    backend::Backend,
    layers::{EmbeddingVisit, Visitor},
    packed::Packed,
    params::Params,
    real::Real,
};

impl<B: Backend> Decoder<B> {
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
        let Tape { placed, stream, blocks, recomputes, head, d_stream } = tape;
        let placed = placed.as_ref().expect("a forward pass comes first");
        let pass = self.pass(params, packed, placed);
        let last = self.blocks.len() - 1;
        self.head.backward(&pass, &stream[2 * last + 2], weights, d_stream, head, visitor);
        for (at, (attention, mlp)) in self.blocks.iter().enumerate().rev() {
            let scope = self.scope(at);
            let (attention_stash, mlp_stash) = &mut blocks[if *recomputes { 0 } else { at }];
            if *recomputes && at < last {
                let [before, within, after] = &mut stream[2 * at..2 * at + 3] else { unreachable!() };
                attention.forward(&pass, before, scope, within, attention_stash, None);
                mlp.forward(&pass, within, scope, after, mlp_stash);
            }
            if let Some(edit) = self.edit(at) {
                edit.backward(&pass, scope, d_stream);
            }
            mlp.backward(&pass, &stream[2 * at + 1], scope, d_stream, mlp_stash, visitor);
            attention.backward(&pass, &stream[2 * at], scope, d_stream, attention_stash, visitor);
        }
        if let Some(scale) = self.embedding_scale {
            self.backend.scale(d_stream, B::Real::of(scale));
        }
        if self.layout.specs[self.embedding.0].trained {
            let (tokens, width) = (&placed.tokens, self.config.hidden_size);
            visitor.embedding(&self.backend, EmbeddingVisit { table: self.embedding, tokens, dy: d_stream, width });
        }
    }
}
