//! Which GPU a run is made on, where any of them is meant.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use titer::spec::DeviceName;

use super::open::gpus;

/// The GPU that the first run of this process begins on, where any of them is meant.
static FIRST: AtomicUsize = AtomicUsize::new(0);

/// From now on runs of this process begin on this GPU, counted round: slots of one machine take one each.
pub fn begin_at(gpu: usize) {
    FIRST.store(gpu, Ordering::Relaxed);
}

/// Of GPUs with so many runs under way, the one that the next run is made on: with the fewest, from the first one on.
fn freest(under_way: &[usize]) -> usize {
    let (count, first) = (under_way.len().max(1), FIRST.load(Ordering::Relaxed));
    (0..count).map(|at| (first + at) % count).min_by_key(|&at| under_way.get(at).copied()).unwrap_or(0)
}

/// How many runs are under way on each GPU.
static UNDER_WAY: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// A run's stay on a device: of several GPUs that are as good, the one with the fewest runs.
#[derive(Debug)]
pub(crate) struct Stay {
    pub(crate) device: DeviceName,
    /// The GPU that it was counted on, where one was chosen.
    chosen: Option<usize>,
}

impl Stay {
    /// Begins a stay on a device; it ends when this is dropped.
    pub(crate) fn on(device: DeviceName) -> Self {
        let DeviceName::Cuda(None) = device else { return Self { device, chosen: None } };
        let mut under_way = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
        if under_way.is_empty() {
            under_way.resize(gpus(device), 0);
        }
        let freest = freest(&under_way);
        under_way[freest] += 1;
        Self { device: DeviceName::Cuda(Some(freest)), chosen: Some(freest) }
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        if let Some(index) = self.chosen {
            UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)[index] -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_begins_on_a_gpu_of_its_own() {
        assert_eq!([freest(&[0, 0, 0]), freest(&[1, 0, 0]), freest(&[1, 1, 0])], [0, 1, 2]);
        begin_at(4);
        assert_eq!([freest(&[0, 0, 0]), freest(&[0, 1, 0]), freest(&[1, 1, 1]), freest(&[0])], [1, 2, 1, 0]);
        begin_at(0);
    }
}
