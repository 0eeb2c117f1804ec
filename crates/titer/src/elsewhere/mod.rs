//! Arms that are trained elsewhere: what another trainer is given, and what it brings back.
//!
//! A [`Trainer`] takes the arms of a spec unless they have what it has not ([`refuse`]); what it does otherwise is said
//! ([`not_carried`]). A [`StageJob`] is a stage in its words, the [`Manifest`] says what was given to it, and [`read_outcomes_of_runs`] reads
//! what was measured of arms whose weights are not to be had.

mod axolotl;
mod configuration;
mod job;
mod llama_factory;
mod manifest;
mod not_carried;
mod openai;
mod outcomes;
mod refusal;
mod rows;
mod settings;
mod trainer;
mod trl;

pub use job::StageJob;
pub use manifest::{ExportedRun, ExportedStage, Manifest, ManifestError};
pub use not_carried::not_carried;
pub use outcomes::{RunOutcomes, RunOutcomesError, read_outcomes_of_runs};
pub use refusal::refuse;
pub use rows::{RowCounts, RowForm};
pub use trainer::Trainer;
