//! Kernels: what forecasts are made of, measured on a model.

mod assemble;
mod buckets;
mod measure;
mod rows;

pub use assemble::{Measured, kernels};
pub use measure::{Effort, measure, ticks};
