//! From sums to where they belong in the result.

use std::arch::x86_64::*;

use super::{
    super::transpose::transposed,
    tile::{SIDE, Sums},
};

/// A part of a result whose rows are side by side, `[rows, columns]` of at most 32 each, and how many numbers on the next row is.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) at: *mut f32,
    pub(super) stride: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl Place {
    /// Asks for its lines to be at hand when they are written.
    ///
    /// # Safety
    /// It is in memory.
    pub(super) unsafe fn prefetch(self) {
        for row in 0..self.rows.min(2 * SIDE) {
            for vector in 0..2 {
                // SAFETY: a prefetch may be of any address.
                unsafe {
                    _mm_prefetch::<_MM_HINT_T0>(self.at.wrapping_add(row * self.stride + vector * SIDE).cast());
                }
            }
        }
    }
}

/// Replaces what is there or adds to it.
///
/// # Safety
/// The place is in memory, nobody else looks at it, and AVX-512 is available.
pub(super) type Put = unsafe fn(sums: &Sums, to: Place, add: bool);

/// Rows of sums are rows of the result.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn rows(sums: &Sums, to: Place, add: bool) {
    for row in 0..to.rows.min(2 * SIDE) {
        for half in 0..2 {
            // SAFETY: the caller's.
            unsafe { put(vector(sums, row, half), to, (row, half), add) };
        }
    }
}

/// Columns of sums are rows of the result.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn columns(sums: &Sums, to: Place, add: bool) {
    for upper in 0..2 {
        for half in 0..2 {
            let mut tile = [_mm512_setzero_si512(); SIDE];
            for (row, tile) in tile.iter_mut().enumerate() {
                *tile = _mm512_castps_si512(vector(sums, half * SIDE + row, upper));
            }
            for (row, turned) in transposed(tile).into_iter().enumerate() {
                let row = upper * SIDE + row;
                if row < to.rows {
                    // SAFETY: the caller's.
                    unsafe { put(_mm512_castsi512_ps(turned), to, (row, half), add) };
                }
            }
        }
    }
}

#[target_feature(enable = "avx512f")]
fn vector(sums: &Sums, row: usize, half: usize) -> __m512 {
    let numbers = &sums.0[(2 * row + half) * SIDE..][..SIDE];
    // SAFETY: there are 16 numbers.
    unsafe { _mm512_loadu_ps(numbers.as_ptr()) }
}

/// Puts half a row there, as far as it is within the place.
#[target_feature(enable = "avx512f")]
unsafe fn put(sums: __m512, to: Place, (row, half): (usize, usize), add: bool) {
    let here = to.columns.saturating_sub(half * SIDE);
    let here: __mmask16 = if here >= SIDE { !0 } else { (1 << here) - 1 };
    let at = to.at.wrapping_add(row * to.stride + half * SIDE);
    // SAFETY: only what is within the place is read and written.
    unsafe {
        let sums = if add { _mm512_add_ps(sums, _mm512_maskz_loadu_ps(here, at)) } else { sums };
        _mm512_mask_storeu_ps(at, here, sums);
    }
}
