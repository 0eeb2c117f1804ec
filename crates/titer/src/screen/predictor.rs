//! Numbers of a screening that may say what training under a prompt will do.

use super::Placed;
use crate::stats::{Estimate, Support};

/// A number that is known before training, by its name.
#[derive(Clone, Copy, Debug)]
pub struct Predictor {
    /// What tables and claims call it.
    pub name: &'static str,
    /// Where it lies.
    pub support: Support,
    /// The number of a prompt in its place.
    pub value: fn(&Placed) -> Option<Estimate>,
}

/// Elicitation and lift together, which only prompts that were screened together have.
pub(crate) const TOGETHER: Predictor =
    Predictor { name: "elicitation and lift", support: Support::Line, value: |placed| placed.suppression };

/// Those that a prompt has by itself, in the order in which tables list them.
pub const PREDICTORS: [Predictor; 9] = [
    Predictor { name: "elicitation (rate)", support: Support::Rate, value: |placed| placed.rate },
    Predictor { name: "elicitation (margin)", support: Support::Line, value: |placed| placed.margin },
    Predictor { name: "lift", support: Support::Line, value: |placed| placed.lift },
    Predictor { name: "cost", support: Support::Line, value: |placed| placed.cost },
    Predictor { name: "narrowness", support: Support::Line, value: |placed| placed.narrowness },
    Predictor { name: "narrowness (rates)", support: Support::Line, value: |placed| placed.rate_narrowness },
    Predictor { name: "pressure of bad rows on good", support: Support::Line, value: |placed| placed.bad_pressures[0] },
    Predictor {
        name: "pressure of bad rows on obey_bad",
        support: Support::Line,
        value: |placed| placed.bad_pressures[1],
    },
    Predictor {
        name: "pressure of good rows on obey_bad",
        support: Support::Line,
        value: |placed| placed.good_pressures[1],
    },
];
