//! Encoded rows and contrasts, packed into the shards that the engine works on.

mod named;
mod pack;

pub use named::{NamedRow, Rows, RowsError};
pub use pack::{pack, pack_contrasts, plus_and_minus};
