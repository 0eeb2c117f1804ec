//! Who hears what a command says when a program calls it, and not a shell.

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::Path,
    sync::Arc,
};

use titer::table::Column;

/// A table that a command made.
#[derive(Clone, Debug)]
pub struct HeardTable {
    /// Which one: `pressures`, `screen`, `leak`, `verify`, `results`, `effects`, `compared`, `sweeps` or `judged`.
    pub name: &'static str,
    /// Its columns, of equal length.
    pub columns: Vec<Column>,
}

/// Hears what a command says. A command may talk from several threads.
pub trait Listener: Send + Sync {
    /// A line of data: with `--json`, an object.
    fn data(&self, line: &str);

    /// A line of talk: warnings, and what was written where.
    fn talk(&self, line: &str);

    /// A table, whether it goes into a file too or not.
    fn table(&self, table: HeardTable);

    /// So many steps of so many are done; `message` says of what.
    fn progress(&self, done: u64, of: u64, message: &str);

    /// Whether the command is to stop. It looks wherever it tells of progress: a sweep ends in order between two steps, anything else is
    /// left as it is.
    fn stopped(&self) -> bool;

    /// The text that stands in for the spec of this path, where there is one.
    fn spec(&self, path: &Path) -> Option<String>;
}

thread_local! {
    static LISTENER: RefCell<Option<Arc<dyn Listener>>> = const { RefCell::new(None) };
}

/// Does work on this thread that a listener hears.
pub(crate) fn heard<T>(listener: Arc<dyn Listener>, work: impl FnOnce() -> T) -> T {
    struct Before(Option<Arc<dyn Listener>>);
    impl Drop for Before {
        fn drop(&mut self) {
            LISTENER.set(self.0.take());
        }
    }
    let _before = Before(LISTENER.replace(Some(listener)));
    work()
}

/// What a command unwinds with that is left as it is.
struct Left;

/// Leaves the command where who listens wants it stopped.
///
/// # Panics
/// Without a message, up to [`unless_left`].
pub(crate) fn leave_where_stopped(listener: &dyn Listener) {
    if listener.stopped() {
        resume_unwind(Box::new(Left));
    }
}

/// What work gives; `None` where it was left along the way.
pub(crate) fn unless_left<T>(work: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(given) => Some(given),
        Err(problem) if problem.is::<Left>() => None,
        Err(problem) => resume_unwind(problem),
    }
}

/// Who listens on this thread, if anyone does.
pub(crate) fn listener() -> Option<Arc<dyn Listener>> {
    LISTENER.with_borrow(Option::clone)
}

/// Hands a table to who listens, if anyone does.
pub(crate) fn tell_table(name: &'static str, columns: impl FnOnce() -> Vec<Column>) {
    if let Some(listener) = listener() {
        listener.table(HeardTable { name, columns: columns() });
    }
}
