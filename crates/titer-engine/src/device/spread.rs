//! Work on many things, a part of them on each of several devices.

use std::{ops::Range, panic::resume_unwind};

use titer::spec::DeviceName;

use super::open::gpus;

/// The devices that a name stands for: each GPU, where any of them is meant.
pub(crate) fn each_of(name: DeviceName) -> Vec<DeviceName> {
    match name {
        DeviceName::Cuda(None) => (0..gpus(name)).map(|index| DeviceName::Cuda(Some(index))).collect(),
        name => vec![name],
    }
}

/// So many things cut into parts of about equal size, in order; no part is empty.
fn parts(count: usize, parts: usize) -> Vec<Range<usize>> {
    let parts = parts.clamp(1, count.max(1));
    (0..parts).map(|part| count * part / parts..count * (part + 1) / parts).collect()
}

/// Does work on parts of these things, part `k` on device `k` on a thread of its own; what it gives, in order. On one device it is done
/// on this thread.
///
/// # Panics
/// Where the work does, which is how an operation of a device's fails, see [`super::guarded`].
pub(crate) fn on_each<T: Sync, R: Send>(
    devices: usize,
    things: &[T],
    work: impl Fn(usize, Range<usize>) -> R + Sync,
) -> Vec<R> {
    let parts = parts(things.len(), devices);
    if let [only] = &*parts {
        return vec![work(0, only.clone())];
    }
    std::thread::scope(|scope| {
        let (work, threads) = (&work, parts.into_iter().enumerate());
        let threads: Vec<_> = threads.map(|(device, part)| scope.spawn(move || work(device, part))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|problem| resume_unwind(problem))).collect()
    })
}

#[cfg(test)]
mod tests {
    use titer_model::backend::TorchError;

    use super::*;

    #[test]
    fn parts_are_in_order_and_none_is_empty() {
        assert_eq!(parts(7, 3), [0..2, 2..4, 4..7]);
        assert_eq!(parts(2, 5), [0..1, 1..2]);
        assert_eq!(parts(0, 2), std::slice::from_ref(&(0..0)));
        let things: Vec<usize> = (0..100).collect();
        let doubled = |_, range: Range<usize>| things[range].iter().map(|thing| 2 * thing).collect::<Vec<_>>();
        for devices in [1, 2, 3, 200] {
            let found = on_each(devices, &things, doubled).concat();
            assert_eq!(found, things.iter().map(|thing| 2 * thing).collect::<Vec<_>>(), "{devices}");
        }
        let which = on_each(3, &things, |device, range| (device, range.len()));
        assert_eq!(which, [(0, 33), (1, 33), (2, 34)]);
    }

    #[test]
    fn what_fails_on_one_device_is_the_failure() {
        let work = |device: usize, _: Range<usize>| {
            if device == 1 {
                let operation = "mm".to_owned();
                resume_unwind(Box::new(TorchError::Failed { operation, problem: "out of memory".to_owned() }));
            }
        };
        let error = super::super::guarded(|| on_each(3, &[1, 2, 3], work)).unwrap_err().to_string();
        assert!(error.contains("memory ran out in `mm`"), "{error}");
    }
}
