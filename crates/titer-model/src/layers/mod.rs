//! The layers of a decoder, each with a forward pass that fills a stash and a backward pass that reads it.

mod attention;
mod cache;
mod head;
mod linear;
mod lora;
mod mlp;
mod norm;
mod pass;
mod projection;
mod residual;
mod scope;
mod visitor;

pub use attention::{Attention, AttentionStash};
pub use cache::{Cache, Past};
pub use head::{Head, HeadStash};
pub use linear::Linear;
pub use lora::Lora;
pub use mlp::{Mlp, MlpStash};
pub use norm::{Norm, NormStash};
pub use pass::Pass;
pub use projection::{Projection, ProjectionStash};
pub use residual::{Residual, ResidualStash};
pub use scope::Scope;
pub use visitor::{EmbeddingVisit, LinearVisit, NormVisit, Visitor};
