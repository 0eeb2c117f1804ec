//! What the finished runs of a sweep say: arms, runs, probes and the moments at which they were measured.
//!
//! Claims, the truth that forecasts are held against, the validation of screenings and the report all read this.

mod axis;
mod load;
mod moment;
mod run;
mod runs;
mod split;
mod sweep;

pub use axis::{Setting, SweptAxis};
pub use load::ResultsError;
pub use moment::At;
pub use run::RunResults;
pub use runs::Runs;
pub use split::{Measure, Split};
pub use sweep::{ArmResults, SweepResults};
