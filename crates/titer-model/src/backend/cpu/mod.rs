//! The processor: plain loops that the compiler vectorises, and `faer` for matrix products; where its kernel is slow, one of titer's own.

mod attention;
#[cfg(target_arch = "x86_64")]
mod bf16;
mod contract;
mod elementwise;
mod gated;
mod head;
mod loss;
mod norm;
mod operations;
mod product;
mod rope;
mod stored;
#[cfg(target_arch = "x86_64")]
mod strided;
#[cfg(target_arch = "x86_64")]
mod transpose;

pub use operations::Cpu;
