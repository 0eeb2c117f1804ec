//! The run store: files are the truth.
//!
//! A sweep is a folder, a run is a folder in it named by the hash of its plan, with exactly one writer. A finished run
//! has a `done` file, written last, with the hashes of what it vouches for; one without is made again. Every file says its
//! [`FileFormat`], by one rule; only [`Leases`] have none, which are gone with who writes,
//! and [`Beginnings`], which have it in their names. See `ARCHITECTURE.md` for the files.

mod beginnings;
mod depth;
mod done;
mod error;
mod events;
mod finished;
mod format;
mod labels;
mod lease;
mod origin;
mod plan;
mod record;
mod run;
mod submission;
mod sweep;

pub use beginnings::Beginnings;
pub use depth::Depth;
pub use error::{Damage, StoreError};
pub use events::Start;
pub use finished::{FinishedRun, Inspection};
pub use format::{FileFormat, FormatError};
pub(crate) use lease::LeaseStanding;
pub use lease::{HeldLease, Holder, Jobs, Lease, LeaseEnd, LeaseState, Leases, NoQueue, Taking};
pub use origin::Origin;
pub use plan::{StoredPlan, StoredStage};
pub use record::{ArmRecord, AxisRecord, SweepRecord};
pub use run::RunDir;
pub use submission::Submission;
pub use sweep::{StoredRun, Sweep};
