//! Tapes for whoever needs one.

use std::sync::{Mutex, PoisonError};

use crate::{backend::Backend, decoder::Tape};

/// Tapes for whoever needs one, reused: there are never more than threads at work.
#[derive(Debug)]
pub(crate) struct Tapes<B: Backend>(Mutex<Vec<Tape<B>>>);

impl<B: Backend> Default for Tapes<B> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<B: Backend> Tapes<B> {
    /// Works with a tape, in whatever state the last work left it.
    pub(crate) fn lend<R>(&self, work: impl FnOnce(&mut Tape<B>) -> R) -> R {
        let idle = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tape = idle().pop().unwrap_or_default();
        let result = work(&mut tape);
        idle().push(tape);
        result
    }
}
