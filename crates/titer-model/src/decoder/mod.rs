//! A decoder: its layers put together, its forward and backward passes, adapters on it, weights in its files.

mod attached;
mod backward;
mod edits;
mod forward;
mod lora;
mod parts;
mod stored;
mod structure;
mod tape;

pub use attached::Detached;
pub use structure::Decoder;
pub use tape::Tape;
