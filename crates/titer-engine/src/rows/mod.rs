//! Encoded rows and contrasts, packed into the shards that the engine works on.

mod encoded;
mod pack;
mod packed;

pub use encoded::{EncodedRows, NamedRow};
pub use pack::{pack, pack_contrasts, plus_and_minus};
pub use packed::PackedRows;
