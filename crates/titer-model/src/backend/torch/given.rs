//! What functions of libtorch's give back by places that are named to them.

use super::{
    library::{Handle, library},
    tensor::{Place, Tensor},
};

/// Places for what a kernel gives back; what is not taken is deleted.
pub(super) struct Given<const N: usize> {
    handles: [Handle; N],
    place: Place,
}

impl<const N: usize> Given<N> {
    pub(super) fn new(place: Place) -> Self {
        Self { handles: [std::ptr::null_mut(); N], place }
    }

    pub(super) fn places(&mut self) -> [*mut Handle; N] {
        self.handles.each_mut().map(std::ptr::from_mut)
    }

    /// The first ones.
    pub(super) fn take<const R: usize>(mut self) -> [Tensor; R] {
        std::array::from_fn(|at| {
            Tensor::owning(std::mem::replace(&mut self.handles[at], std::ptr::null_mut()), self.place)
        })
    }
}

impl<const N: usize> Drop for Given<N> {
    fn drop(&mut self) {
        for handle in self.handles.iter().filter(|handle| !handle.is_null()) {
            // SAFETY: it was given, and nobody took it.
            unsafe { (library().delete)(*handle) };
        }
    }
}
