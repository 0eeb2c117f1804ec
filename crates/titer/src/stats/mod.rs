//! Means with intervals that respect where the numbers come from: items within seeds.

mod estimate;
mod sample;

pub use estimate::{Estimate, Method};
pub use sample::Sample;
