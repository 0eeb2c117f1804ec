//! Moments of a run.

use std::collections::BTreeMap;

/// A moment of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Before training.
    Start,
    /// The end of the run: the last moment at which it was measured, whichever probe it was.
    End,
    /// After this many optimiser steps.
    Step(i64),
}

impl At {
    /// What was measured then in a run of this end, if anything was.
    pub(super) fn of<T>(self, end: Option<i64>, moments: &BTreeMap<i64, T>) -> Option<&T> {
        moments.get(&match self {
            Self::Start => 0,
            Self::End => end?,
            Self::Step(step) => step,
        })
    }
}
