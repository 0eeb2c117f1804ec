//! Weights that nothing moves, as they lie in their file: mapped into memory, in the file's own number type.

mod dtype;
mod weight;

pub use dtype::Dtype;
pub use weight::Stored;
