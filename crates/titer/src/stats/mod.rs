//! Means with intervals that respect where the numbers come from: items within seeds, replies within prompts.

mod agreement;
mod correlation;
mod error_source;
mod estimate;
mod holm;
mod jackknife;
mod kappa;
mod least_squares;
mod logistic;
mod rate;
mod sample;
mod spread;
mod student;
mod support;

pub use agreement::{median, pearson, slope, spearman};
pub use correlation::{Correlation, CorrelationPoint};
pub use error_source::ErrorSource;
pub use estimate::{Estimate, Method};
pub use holm::holm;
pub(crate) use jackknife::combined;
pub use kappa::{Verdicts, kappa};
pub(crate) use least_squares::least_squares;
pub use logistic::logistic;
pub use rate::{Rate, RateMethod};
pub use sample::Sample;
pub use spread::ItemSpread;
pub(crate) use student::quantile;
pub use support::Support;
