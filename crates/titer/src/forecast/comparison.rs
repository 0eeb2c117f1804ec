//! One component of one run: forecast and measured.

use serde::Serialize;
use titer_data::probe::Component;

use super::value::ForecastValue;

/// One component of one run: forecast and measured, after the last step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The arm's name.
    pub arm: String,
    /// The seed.
    pub seed: u64,
    /// The optimisers of its stages, in turn, as [`Course::optimisers`](super::Course::optimisers) has them.
    pub optimisers: String,
    /// The component.
    pub component: Component,
    /// Its margin before training, nats.
    pub start: f64,
    /// Its rate before training.
    pub start_rate: f64,
    /// Its forecast margin, nats: mean and 95 % interval.
    pub predicted: ForecastValue,
    /// Its forecast rate.
    pub predicted_rate: ForecastValue,
    /// Its measured margin, nats.
    pub measured: f64,
    /// Its measured rate.
    pub measured_rate: f64,
    /// Why it goes beyond what forecasts have been held against; empty where it does not.
    pub beyond: Vec<String>,
    /// What is known of the rate where it is left open too wide.
    pub open: Option<String>,
}

impl Comparison {
    /// Whether the forecast says that it knows.
    pub fn knows(&self) -> bool {
        self.beyond.is_empty() && self.open.is_none()
    }
}
