//! Means with intervals that respect where the numbers come from: items within seeds.

mod agreement;
mod estimate;
mod jackknife;
mod sample;

pub use agreement::{median, slope, spearman};
pub use estimate::{Estimate, Method};
pub use jackknife::combined;
pub use sample::Sample;
