//! A matrix product: by the kernel that is fastest for how the matrices lie in memory.

use faer::{Accum, MatMut, MatRef, Par, linalg::matmul::matmul};

use crate::real::Real;

/// `out = a · b` or `out += a · b` on the calling thread.
pub(super) fn product<T: Real>(out: MatMut<'_, T>, accum: Accum, a: MatRef<'_, T>, b: MatRef<'_, T>) {
    #[cfg(target_arch = "x86_64")]
    if std::any::TypeId::of::<T>() == std::any::TypeId::of::<f32>() {
        // SAFETY: they are f32.
        let done = unsafe {
            let ((rows, columns), (row, column)) = (out.shape(), (out.row_stride(), out.col_stride()));
            let to = MatMut::from_raw_parts_mut(out.as_ptr_mut().cast::<f32>(), rows, columns, row, column);
            super::strided::product(to, accum, as_f32(a), as_f32(b))
        };
        if done {
            return;
        }
    }
    matmul(out, accum, a, b, T::of(1.0), Par::Seq);
}

/// A matrix of f32 under its own name.
///
/// # Safety
/// `T` is f32.
#[cfg(target_arch = "x86_64")]
unsafe fn as_f32<T>(matrix: MatRef<'_, T>) -> MatRef<'_, f32> {
    let (rows, columns) = matrix.shape();
    // SAFETY: the caller's.
    unsafe { MatRef::from_raw_parts(matrix.as_ptr().cast(), rows, columns, matrix.row_stride(), matrix.col_stride()) }
}
