//! Means with intervals that respect where the numbers come from: items within seeds.

mod agreement;
mod correlation;
mod estimate;
mod sample;

pub use agreement::{median, pearson, slope, spearman};
pub use correlation::correlated;
pub use estimate::{Estimate, Method};
pub use sample::Sample;
