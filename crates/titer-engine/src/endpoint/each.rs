//! Several requests under way at once.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

/// Does `work` for each item, `at_once` of them at a time, until all are done or one fails; those that are under way then are finished.
///
/// # Errors
/// The first failure.
pub(super) fn each<T: Sync, E: Send>(
    items: &[T],
    at_once: usize,
    work: impl Fn(&T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let (next, failure) = (AtomicUsize::new(0), Mutex::new(None));
    let failed = || failure.lock().unwrap_or_else(PoisonError::into_inner);
    let worker = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)).filter(|_| failed().is_none()) {
            if let Err(error) = work(item) {
                failed().get_or_insert(error);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..at_once.clamp(1, items.len().max(1)) {
            scope.spawn(worker);
        }
    });
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

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
