//! The operations that a decoder is written over, and the processor's.
//!
//! An implementation owns its buffers; nothing here knows where they live. Every operation is deterministic, and
//! runs on the calling thread or stream: parallelism is further up, over shards of a batch ([`crate::passes`]).

mod activation;
mod adam_step;
mod cpu;
mod heads;
mod matrix;
mod operations;
mod row_sums;
mod tied_head;

pub use activation::Activation;
pub use adam_step::AdamStep;
pub use cpu::Cpu;
pub use heads::Heads;
pub use matrix::{Matrix, Write};
pub use operations::Backend;
pub use row_sums::RowSums;
pub use tied_head::TiedHead;
