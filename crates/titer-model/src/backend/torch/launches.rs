//! How many operations torch was asked for: on a GPU each is a launch at least, and small ones cost little else.

use std::cell::Cell;

thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

/// Operations that only say how numbers are read; where `reshape` moves them, it is counted as a copy.
const VIEWS: [&str; 4] = ["transpose.int", "expand", "slice.Tensor", "reshape"];

/// Counts an operation, unless it moves no number.
pub(super) fn count(name: &str) {
    if !VIEWS.contains(&name) {
        ASKED.set(ASKED.get() + 1);
    }
}

/// Operations that this thread has asked for.
pub(super) fn asked() -> u64 {
    ASKED.get()
}
