//! The layers of a decoder, each with a forward pass that fills a stash and a backward pass that reads it.

mod attached;
mod attention;
mod cache;
mod head;
mod linear;
mod lora;
mod mlp;
mod norm;
mod pass;
mod placed;
mod product;
mod projection;
mod residual;
mod scope;
mod stream_edit;
mod visitor;

pub(crate) use attached::AttachedLayer;
pub(crate) use attention::{Attention, AttentionStash};
pub(crate) use cache::{Cache, Past, slot_numbers};
pub(crate) use head::{Head, HeadStash};
pub(crate) use linear::Linear;
pub(crate) use lora::LoraLayer;
pub(crate) use mlp::{Mlp, MlpStash};
pub(crate) use norm::{Norm, NormStash};
pub(crate) use pass::Pass;
pub(crate) use placed::Placed;
pub(crate) use product::Product;
pub(crate) use projection::{Projection, ProjectionStash};
pub(crate) use residual::{Residual, ResidualStash};
pub use scope::TokenScope;
pub use stream_edit::StreamEdit;
pub use visitor::{EmbeddingVisit, LinearVisit, NormVisit, Visitor};
