//! The run store: files are the truth.
//!
//! A sweep is a folder, a run is a folder in it named by the hash of its plan, with exactly one writer. A finished run
//! has a `done` marker, written last; one without is made again. See `ARCHITECTURE.md` for the files.

mod labels;
mod run;
mod sweep;

pub use run::RunDir;
pub use sweep::{ArmRecord, AxisRecord, StoreError, StoredRun, Sweep, SweepRecord};
