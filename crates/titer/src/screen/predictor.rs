//! Numbers of a screening that may say what training under a prompt will do.

use super::Placed;
use crate::stats::Estimate;

/// A number that is known before training, by its name.
#[derive(Clone, Copy, Debug)]
pub struct Predictor {
    /// What tables and claims call it.
    pub name: &'static str,
    /// The number of a prompt in its place.
    pub of: fn(&Placed) -> Option<Estimate>,
}

/// All of them, in the order in which tables list them.
pub const PREDICTORS: [Predictor; 8] = [
    Predictor { name: "elicitation (rate)", of: |placed| placed.rate },
    Predictor { name: "elicitation (margin)", of: |placed| placed.margin },
    Predictor { name: "lift", of: |placed| placed.lift },
    Predictor { name: "cost", of: |placed| placed.cost },
    Predictor { name: "narrowness", of: |placed| placed.narrowness },
    Predictor { name: "pressure of bad rows on good", of: |placed| placed.bad_pressures[0] },
    Predictor { name: "pressure of bad rows on obey_bad", of: |placed| placed.bad_pressures[1] },
    Predictor { name: "pressure of good rows on obey_bad", of: |placed| placed.good_pressures[1] },
];
