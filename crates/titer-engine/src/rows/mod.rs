//! Encoded rows and contrasts, packed into the shards that the engine works on.

mod encoded;
mod pack;
mod packed;

pub use encoded::{EncodedRows, NamedRow};
pub use pack::pack;
pub(crate) use pack::pack_contrasts;
pub(crate) use pack::plus_and_minus;
pub use packed::PackedRows;
