//! Moments of a run.

use std::collections::BTreeMap;

/// A moment of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Before training.
    Start,
    /// The last measurement.
    End,
    /// After this many optimiser steps.
    Step(i64),
}

impl At {
    /// What was measured then, if anything was.
    pub(super) fn of<T>(self, moments: &BTreeMap<i64, T>) -> Option<&T> {
        match self {
            Self::Start => moments.get(&0),
            Self::End => moments.last_key_value().map(|(_, moment)| moment),
            Self::Step(step) => moments.get(&step),
        }
    }
}
