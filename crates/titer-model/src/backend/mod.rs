//! The operations that a decoder is written over, and the processor's.
//!
//! An implementation owns its buffers; nothing here knows where they live. Every operation of the processor's is deterministic, and
//! runs on the calling thread: parallelism is further up, over shards of a batch ([`crate::passes`]).

mod activation;
mod adam_step;
mod conformance;
mod cpu;
mod device;
mod either;
mod heads;
mod matrix;
mod operations;
mod row_sums;
mod tied_head;
mod torch;

pub use activation::Activation;
pub use adam_step::{AdamParam, AdamStep};
pub use conformance::{Operation, Trial, error_of};
pub use cpu::Cpu;
pub use device::Device;
pub use either::Either;
pub use heads::Heads;
pub use matrix::{Matrix, Write};
pub use operations::Backend;
pub use row_sums::RowSums;
pub use tied_head::TiedHead;
pub use torch::{KernelUse, Torch, TorchDevice, TorchError};
