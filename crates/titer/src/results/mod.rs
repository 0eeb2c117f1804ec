//! What the finished runs of a sweep say: arms, runs, probes and the moments at which they were measured.
//!
//! Claims, the truth that forecasts are held against, the validation of screenings and the report all read this;
//! `results_table` and `effects_table` are the same as tables for other programs.

mod arm_key;
mod axis;
mod axis_columns;
mod effect;
mod effects_table;
mod item_blocks;
mod load;
mod mean_of_runs;
mod moment;
mod results_table;
mod run;
mod runs;
mod split;
mod sweep;

pub use arm_key::ArmKey;
pub use axis::SweptAxis;
pub use effects_table::EFFECTS_SCHEMA;
pub(crate) use item_blocks::ItemBlocks;
pub use load::ResultsError;
pub(crate) use mean_of_runs::mean_of_runs;
pub use moment::At;
pub use results_table::RESULTS_SCHEMA;
pub use run::RunResults;
pub use runs::Runs;
pub use split::{Measure, Split};
pub use sweep::{ArmResults, SweepResults};
