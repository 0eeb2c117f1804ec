//! What the layers of a pass read of its batch, where the backend reads it.

use crate::{
    backend::Backend,
    packed::{Packed, Reach},
    real::Real,
};

/// What the layers of a pass read of its batch, placed once.
#[derive(Debug)]
pub(crate) struct Placed<B: Backend> {
    /// [`Packed::tokens`]
    pub(crate) tokens: B::Ids,
    /// [`Packed::positions`]
    pub(super) positions: B::Ids,
    /// [`Packed::outputs`]
    pub(crate) outputs: B::Ids,
    /// [`Packed::output_positions`]
    pub(super) output_positions: B::Ids,
    /// By target, the row of the logits that predicts it.
    pub(super) target_rows: B::Ids,
    /// By target, the token that should come.
    pub(super) target_words: B::Ids,
    /// What queries reach, at every token and at the outputs.
    pub(super) reach: [B::PlacedReach; 2],
    /// The same in layers that slide, where there are any.
    pub(super) sliding_reach: Option<[B::PlacedReach; 2]>,
    /// Ones, `[tokens]`: the input of every bias.
    pub(super) ones: B::Buffer,
}

impl<B: Backend> Placed<B> {
    /// A batch; `window` is that of the layers that slide, in keys.
    pub(crate) fn new(backend: &B, packed: &Packed, window: Option<usize>) -> Self {
        let output_reach = packed.output_reach();
        let within = |window| {
            let placed = |reach: &[Reach]| {
                backend.place_reach(&reach.iter().map(|reach| reach.within(window)).collect::<Vec<_>>())
            };
            [placed(&packed.reach), placed(&output_reach)]
        };
        let (rows, words): (Vec<u32>, Vec<u32>) =
            packed.targets.iter().map(|target| (target.output, target.token)).unzip();
        Self {
            tokens: backend.place(&packed.tokens),
            positions: backend.place(&packed.positions),
            outputs: backend.place(&packed.outputs),
            output_positions: backend.place(&packed.output_positions()),
            target_rows: backend.place(&rows),
            target_words: backend.place(&words),
            reach: [backend.place_reach(&packed.reach), backend.place_reach(&output_reach)],
            sliding_reach: window.map(within),
            ones: backend.upload(vec![B::Real::of(1.0); packed.tokens.len()]),
        }
    }
}
