//! The layers of a decoder, each with a forward pass that fills a stash and a backward pass that reads it.

mod attention;
mod head;
mod linear;
mod mlp;
mod norm;

pub use attention::{Attention, AttentionStash};
pub use head::{Head, HeadStash};
pub use linear::{Linear, Lora};
pub use mlp::{Mlp, MlpStash};
pub use norm::{Norm, NormStash};

use crate::{
    backend::Backend,
    packed::{Packed, Reach},
    params::Params,
    visitor::Scope,
};

/// What every layer of one pass over one batch reads.
#[derive(Debug)]
pub struct Pass<'a, B: Backend> {
    /// Where it is computed.
    pub backend: &'a B,
    /// The weights.
    pub params: &'a Params<B>,
    /// The batch.
    pub packed: &'a Packed,
    /// Rotary angles, see [`Backend::rope`].
    pub rope: &'a B::Buffer,
    /// [`Packed::output_positions`]
    pub output_positions: Vec<u32>,
    /// [`Packed::output_reach`]
    pub output_reach: Vec<Reach>,
}

impl<'a, B: Backend> Pass<'a, B> {
    /// A pass over a batch.
    pub fn new(backend: &'a B, params: &'a Params<B>, packed: &'a Packed, rope: &'a B::Buffer) -> Self {
        let (output_positions, output_reach) = (packed.output_positions(), packed.output_reach());
        Self { backend, params, packed, rope, output_positions, output_reach }
    }

    /// Rows of a buffer in this scope.
    pub fn rows(&self, scope: Scope) -> usize {
        match scope {
            Scope::All => self.packed.tokens.len(),
            Scope::Outputs => self.packed.outputs.len(),
        }
    }

    /// Rotary positions and reach of the queries in this scope.
    pub fn queries(&self, scope: Scope) -> (&[u32], &[Reach]) {
        match scope {
            Scope::All => (&self.packed.positions, &self.packed.reach),
            Scope::Outputs => (&self.output_positions, &self.output_reach),
        }
    }
}
