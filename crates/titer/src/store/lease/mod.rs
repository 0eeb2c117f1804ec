//! Leases: who may write a sweep's folder, or one run of it, and until when.
//!
//! A lease is a small file in the sweep's folder, of which one process alone can be the maker: also where many machines share the
//! folder over a network. It ends when its holder says so, and it expires with the holder's process or job.

mod file;
mod holder;
mod jobs;
mod leases;
mod state;

pub use file::LeaseEnd;
pub use holder::Holder;
pub use jobs::{Jobs, NoQueue};
pub use leases::{Lease, Leases, Taking};
pub(crate) use state::LeaseStanding;
pub use state::{HeldLease, LeaseState};
