//! What a cluster's queue knows of the holders of leases.

use std::fmt::Debug;

use super::Holder;

/// A queue that can be asked whether a job is running.
pub trait Jobs: Debug + Send + Sync {
    /// Whether the holder's job runs; `None` where this queue does not know the holder or cannot be asked.
    fn runs(&self, holder: &Holder) -> Option<bool>;
}

/// No queue: nothing is known.
#[derive(Clone, Copy, Debug)]
pub struct NoQueue;

impl Jobs for NoQueue {
    fn runs(&self, _: &Holder) -> Option<bool> {
        None
    }
}
