//! The processor: plain loops that the compiler vectorises, and `faer` for matrix products.

mod attention;
mod contract;
mod elementwise;
mod gated;
mod head;
mod loss;
mod norm;
mod operations;
mod stored;

pub use operations::Cpu;
