//! A number of a forecast.

use serde::{Deserialize, Serialize};

/// A forecast number with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForecastValue {
    /// The forecast.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}
