//! What every layer of one pass over one batch reads.

use super::TokenScope;
use crate::{
    backend::Backend,
    packed::{Packed, Reach},
    params::{ParamId, Params},
    real::Real,
    stored::Stored,
};

/// What every layer of one pass over one batch reads.
#[derive(Debug)]
pub(crate) struct Pass<'a, B: Backend> {
    /// Where it is computed.
    pub(crate) backend: &'a B,
    /// The weights.
    pub(crate) params: &'a Params<B>,
    /// Those that stay in their file, by parameter.
    stored: &'a [Option<Stored>],
    /// The batch.
    pub(crate) packed: &'a Packed,
    /// Tables of rotary angles, see [`Backend::rope`]; layers say which is theirs.
    pub(crate) ropes: &'a [B::Buffer],
    /// Ones, `[tokens]`: the input of every bias.
    pub(crate) ones: B::Buffer,
    /// [`Packed::output_positions`]
    output_positions: Vec<u32>,
    /// [`Packed::output_reach`]
    output_reach: Vec<Reach>,
    /// What queries reach in layers that slide, in both scopes; empty where none does.
    sliding_reach: Vec<Reach>,
    sliding_output_reach: Vec<Reach>,
}

impl<'a, B: Backend> Pass<'a, B> {
    /// A pass over a batch; `window` is that of the layers that slide, in keys.
    pub(crate) fn new(
        backend: &'a B,
        params: &'a Params<B>,
        stored: &'a [Option<Stored>],
        packed: &'a Packed,
        ropes: &'a [B::Buffer],
        window: Option<usize>,
    ) -> Self {
        let (output_positions, output_reach) = (packed.output_positions(), packed.output_reach());
        let within = |reach: &[Reach]| match window {
            Some(window) => reach.iter().map(|reach| reach.within(window)).collect(),
            None => Vec::new(),
        };
        let (sliding_reach, sliding_output_reach) = (within(&packed.reach), within(&output_reach));
        let mut ones = B::Buffer::default();
        backend.resize(&mut ones, packed.tokens.len());
        backend.fill(&mut ones, B::Real::of(1.0));
        Self {
            backend,
            params,
            stored,
            packed,
            ropes,
            ones,
            output_positions,
            output_reach,
            sliding_reach,
            sliding_output_reach,
        }
    }

    /// The weight of this parameter, where it stays in its file.
    pub(crate) fn stored(&self, id: ParamId) -> Option<&'a Stored> {
        self.stored.get(id.0)?.as_ref()
    }

    /// Rows of a buffer in this scope.
    pub(crate) fn rows(&self, scope: TokenScope) -> usize {
        match scope {
            TokenScope::All => self.packed.tokens.len(),
            TokenScope::Outputs => self.packed.outputs.len(),
        }
    }

    /// Rotary positions of the rows in this scope.
    pub(crate) fn positions(&self, scope: TokenScope) -> &[u32] {
        match scope {
            TokenScope::All => &self.packed.positions,
            TokenScope::Outputs => &self.output_positions,
        }
    }

    /// What the queries in this scope reach, in a layer that slides or in one that does not.
    pub(crate) fn reach(&self, scope: TokenScope, sliding: bool) -> &[Reach] {
        match (scope, sliding) {
            (TokenScope::All, false) => &self.packed.reach,
            (TokenScope::All, true) => &self.sliding_reach,
            (TokenScope::Outputs, false) => &self.output_reach,
            (TokenScope::Outputs, true) => &self.sliding_output_reach,
        }
    }
}
