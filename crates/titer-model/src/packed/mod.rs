//! Rows packed end to end without padding, and which keys each token may attend to.
//!
//! A row is one segment. A contrast is a context segment followed by one branch per reply: the branches see the
//! context and themselves, not each other, so that all replies share the context's forward pass. A tree is the same at
//! any depth: what a row has in common with the row before it is not computed again.

mod batch;
mod reach;
mod sliding_window;
mod tree;

pub use batch::{Packed, TargetToken};
pub(crate) use reach::MAX_SPANS;
pub use reach::{Reach, Span};
