//! Kernels: what forecasts are made of, measured on a model.

mod about;
mod assemble;
mod buckets;
mod measure;
mod pilots;
mod rows;
mod sweep;

pub use about::{about, domains};
pub use assemble::{KernelState, kernels};
pub use measure::{Effort, measure, ticks};
pub use pilots::{PilotProgress, Pilots, refresh};
pub use sweep::{KernelProgress, KernelRequest, KernelsError, measure_kernel, save_kernel};
