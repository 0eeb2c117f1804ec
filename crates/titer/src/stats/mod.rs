//! Means with intervals that respect where the numbers come from: items within seeds, replies within prompts.

mod agreement;
mod correlation;
mod estimate;
mod jackknife;
mod logistic;
mod rate;
mod sample;
mod spread;

pub use agreement::{median, pearson, slope, spearman};
pub use correlation::correlated;
pub(crate) use estimate::quantile;
pub use estimate::{Estimate, Method};
pub use jackknife::combined;
pub use logistic::logistic;
pub use rate::{Rate, RateMethod};
pub use sample::Sample;
pub use spread::ItemSpread;
