//! So many at a time.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Who may work now: as many as there are turns.
pub(super) struct Turns {
    free: Mutex<usize>,
    changed: Condvar,
}

/// A turn, until it is dropped.
pub(super) struct Turn(Arc<Turns>);

impl Turns {
    /// So many at a time.
    pub(super) fn new(count: usize) -> Self {
        Self { free: Mutex::new(count), changed: Condvar::new() }
    }

    /// A turn; waits for one.
    pub(super) fn take(self: &Arc<Self>) -> Turn {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free == 0 {
            free = self.changed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Turn(Arc::clone(self))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.changed.notify_one();
    }
}
