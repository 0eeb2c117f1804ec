//! Sweeps on a Slurm cluster: job arrays of slots that share a sweep's folder.
//!
//! Everything is asked of Slurm's own commands. What is finished, running or failed is read from the folder; the queue only says
//! which jobs there are.

mod call;
mod cluster;
mod error;
mod missing;
mod queue;
mod script;
mod submit;

pub use cluster::Cluster;
pub use error::SlurmError;
pub use missing::Missing;
pub use queue::{QueuedJobs, SlurmQueue};
pub use submit::{SlotCommand, Submitted, submit};
