//! A decoder whose residual stream is edited behind blocks, and what the stream is to begin with.

use super::{Decoder, Tape, forward::Keep};
use crate::{backend::Backend, layers::StreamEdit, packed::Packed, params::Params};

impl<B: Backend> Decoder<B> {
    /// The same decoder with these edits of its residual stream, one or none behind each block: all its passes have them, forward
    /// and backward. Whoever keeps the plain decoder beside it measures and saves without them.
    ///
    /// Panics where there is not one for each block, or one of another width than the stream's.
    pub fn edited(self, edits: Vec<Option<StreamEdit<B>>>) -> Self {
        assert_eq!(edits.len(), self.blocks.len(), "an edit or none for each block");
        let fits = |edit: &StreamEdit<B>| self.backend.len(edit.vector()) == self.config.hidden_size;
        assert!(edits.iter().flatten().all(fits), "a vector is as wide as the residual stream");
        Self { edits, ..self }
    }

    /// The edit behind a block.
    pub(super) fn edit(&self, block: usize) -> Option<&StreamEdit<B>> {
        self.edits.get(block)?.as_ref()
    }

    /// The residual stream at the outputs: before the first block, then behind every block, `[blocks + 1][outputs · width]`.
    pub(crate) fn residual_stream(&self, params: &Params<B>, packed: &Packed, tape: &mut Tape<B>) -> Vec<Vec<B::Real>> {
        let placed = self.placed(packed);
        let pass = self.pass(params, packed, &placed);
        let last = self.run_blocks(&pass, tape, Keep::Stream, None);
        let (width, mut at_outputs) = (self.config.hidden_size, B::Buffer::default());
        let mut read: Vec<_> = (tape.stream[..last].iter().step_by(2))
            .map(|stream| {
                self.backend.gather(&mut at_outputs, stream, &placed.outputs, width);
                self.backend.download(&at_outputs)
            })
            .collect();
        // Behind the last block there is nothing but the outputs.
        read.push(self.backend.download(&tape.stream[last]));
        read
    }
}
