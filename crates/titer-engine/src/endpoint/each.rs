//! Several requests under way at once.

use std::{
    panic::resume_unwind,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

/// Does `work` for each item, `at_once` of them at a time, until all are done or one fails; those that are under way then are finished.
///
/// # Errors
/// The first failure.
///
/// # Panics
/// Where the work does, which is how who listens to a command stops it; those that are under way are finished then, too.
pub(super) fn each<T: Sync, E: Send>(
    items: &[T],
    at_once: usize,
    work: impl Fn(&T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let (next, failure, unwound) = (AtomicUsize::new(0), Mutex::new(None), AtomicBool::new(false));
    let failed = || failure.lock().unwrap_or_else(PoisonError::into_inner);
    let goes_on = || !unwound.load(Ordering::Relaxed) && failed().is_none();
    let worker = || {
        let _tell = Unwinding(&unwound);
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)).filter(|_| goes_on()) {
            if let Err(error) = work(item) {
                failed().get_or_insert(error);
            }
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once.clamp(1, items.len().max(1))).map(|_| scope.spawn(worker)).collect();
        // All are waited for before one's panic goes on.
        let ends: Vec<_> = workers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        ends.into_iter().for_each(|end| end.unwrap_or_else(|problem| resume_unwind(problem)));
    });
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// Tells the other workers where the work of one unwinds.
struct Unwinding<'a>(&'a AtomicBool);

impl Drop for Unwinding<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_unwinds_stops_the_others_and_goes_on_unwinding() {
        let (items, done): (Vec<usize>, _) = ((1..=1000).collect(), AtomicUsize::new(0));
        let work = |item: &usize| {
            thread::sleep(std::time::Duration::from_millis(1));
            if done.fetch_add(1, Ordering::Relaxed) == 10 {
                resume_unwind(Box::new(*item));
            }
            Ok::<_, ()>(())
        };
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| each(&items, 4, work)));
        assert!(unwound.unwrap_err().is::<usize>());
        assert!(done.load(Ordering::Relaxed) < 30, "{done:?}");
    }

    #[test]
    fn every_item_has_its_turn_and_the_first_failure_stops_the_others() {
        let (items, sum): (Vec<usize>, _) = ((1..=100).collect(), AtomicUsize::new(0));
        let add = |item: &usize| {
            sum.fetch_add(*item, Ordering::Relaxed);
            Ok::<_, usize>(())
        };
        assert_eq!((each(&items, 7, add), sum.load(Ordering::Relaxed)), (Ok(()), 5050));
        let done = AtomicUsize::new(0);
        let fail = |item: &usize| {
            done.fetch_add(1, Ordering::Relaxed);
            if *item == 10 { Err(*item) } else { Ok(()) }
        };
        assert_eq!((each(&items, 1, fail), done.load(Ordering::Relaxed)), (Err(10), 10));
        assert_eq!(each(&[], 8, fail), Ok(()));
    }
}
