//! What every layer of one pass over one batch reads.

use super::{Placed, TokenScope};
use crate::{
    backend::Backend,
    packed::Packed,
    params::{ParamId, Params},
};

/// What every layer of one pass over one batch reads.
#[derive(Debug)]
pub(crate) struct Pass<'a, B: Backend> {
    /// Where it is computed.
    pub(crate) backend: &'a B,
    /// The weights.
    pub(crate) params: &'a Params<B>,
    /// Those that nothing moves, by parameter.
    pub(crate) frozen: &'a [Option<B::Frozen>],
    /// The batch.
    pub(crate) packed: &'a Packed,
    /// What layers read of it.
    pub(crate) placed: &'a Placed<B>,
    /// Tables of rotary angles, see [`Backend::rope`]; layers say which is theirs.
    pub(crate) ropes: &'a [B::Buffer],
    /// The matrices of adapters that are attached frozen; layers say which are theirs.
    pub(crate) attached: &'a [B::Buffer],
}

impl<'a, B: Backend> Pass<'a, B> {
    /// The weight of this parameter, where nothing moves it.
    pub(crate) fn frozen(&self, id: ParamId) -> Option<&'a B::Frozen> {
        self.frozen.get(id.0)?.as_ref()
    }

    /// Rows of a buffer in this scope.
    pub(crate) fn rows(&self, scope: TokenScope) -> usize {
        match scope {
            TokenScope::All => self.packed.tokens.len(),
            TokenScope::Outputs => self.packed.outputs.len(),
        }
    }

    /// Rotary positions of the rows in this scope.
    pub(crate) fn positions(&self, scope: TokenScope) -> &'a B::Ids {
        match scope {
            TokenScope::All => &self.placed.positions,
            TokenScope::Outputs => &self.placed.output_positions,
        }
    }

    /// What the queries in this scope reach, in a layer that slides or in one that does not.
    pub(crate) fn reach(&self, scope: TokenScope, sliding: bool) -> &'a B::PlacedReach {
        let [all, outputs] = match &self.placed.sliding_reach {
            Some(within) if sliding => within,
            _ => &self.placed.reach,
        };
        match scope {
            TokenScope::All => all,
            TokenScope::Outputs => outputs,
        }
    }
}
