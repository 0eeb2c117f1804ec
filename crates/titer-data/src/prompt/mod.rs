//! Prompts: one to put rows under, a pool of them for a cell's rows, and how one resembles another.

mod candidate;
mod family;
mod pool;

pub(crate) use candidate::holds_word;
pub use candidate::{CandidatePrompt, Turn};
pub use family::LeakFamily;
pub use pool::Pool;
