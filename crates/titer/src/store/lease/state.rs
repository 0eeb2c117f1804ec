//! How it stands with a lease.

use std::{fmt, time::Duration};

use super::{Holder, LeaseEnd};

/// Who has a lease, and for how long that is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldLease {
    /// Who, where that is known.
    pub holder: Option<Holder>,
    /// For how long its holder has given no sign of life, and after how long without one it expires; `None` where it is known that its holder
    /// is at work.
    pub silent: Option<(Duration, Duration)>,
}

impl fmt::Display for HeldLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.holder {
            Some(holder) => write!(f, "{holder}")?,
            None => f.write_str("somebody whose name cannot be read")?,
        }
        match self.silent {
            None => f.write_str(", which is at work"),
            Some((silent, expires)) => write!(
                f,
                ", whose last sign of life was {} s ago; without another it is taken for gone in {} s",
                silent.as_secs(),
                expires.saturating_sub(silent).as_secs()
            ),
        }
    }
}

/// How it stands with the latest lease of something.
#[derive(Clone, Debug)]
pub struct LeaseState {
    /// Who has or had it, where that is known.
    pub holder: Option<Holder>,
    /// Whether it is held.
    pub held: bool,
    /// How it ended, where its holder said so.
    pub end: Option<LeaseEnd>,
}

/// How it stands with a lease that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeaseStanding {
    /// Nobody has taken it from us.
    Mine,
    /// Another one has, as happens to a holder that gave no sign of life for long.
    Taken,
    /// Its file is gone.
    Gone,
}
