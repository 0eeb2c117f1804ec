//! Does screening predict? Outcomes of arms that were trained elsewhere, held against what was screened before and against the user's own
//! predictors; each setting is predicted by the others alone.
//!
//! `outcomes` reads the table, `predictions` fits on the other settings, [`compare`] says how well each predictor goes with each outcome.

mod compare;
mod outcomes;
mod predictions;

pub use compare::{OutcomeResult, PredictorResult, compare};
pub use outcomes::{ExternalArm, OutcomeColumns, OutcomesError, read_outcomes};
use predictions::{OutcomePredictor, PredictorKind};
