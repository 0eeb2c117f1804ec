//! From matrices in memory to panels of tiles. What a panel has beyond the matrix is zeros.

use std::arch::x86_64::*;

use super::{
    super::transpose::transposed,
    tile::{INNER, SIDE, Tile},
};

/// A matrix with rows side by side: where it begins, and how many numbers on the next row is.
#[derive(Clone, Copy)]
pub(super) struct Rows<T> {
    at: *const T,
    stride: usize,
}

impl<T> Rows<T> {
    /// A matrix whose rows are as long.
    pub(super) fn new(at: *const T, stride: usize) -> Self {
        Self { at, stride }
    }

    /// What is from this place on. It is not looked at here, so it may be nowhere.
    pub(super) fn from(self, row: usize, column: usize) -> Self {
        Self { at: self.at.wrapping_add(row * self.stride + column), ..self }
    }
}

/// Packs some rows of a matrix; `shape` is how many there are, up to 16, and the inner size.
///
/// # Safety
/// So much is in the matrix, and AVX-512 BF16 is available.
pub(super) type Pack<T> = unsafe fn(panel: &mut [Tile], from: Rows<T>, shape: (usize, usize));

/// Rows of activations for the left side, rounded.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn activations_left(panel: &mut [Tile], from: Rows<f32>, shape: (usize, usize)) {
    for (step, tile) in panel.iter_mut().enumerate() {
        // SAFETY: the caller's.
        store(tile, unsafe { rounded(from, shape, step * INNER) });
    }
}

/// Rows of activations for the right side, where they are columns; rounded.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn activations_right(panel: &mut [Tile], from: Rows<f32>, shape: (usize, usize)) {
    for (step, tile) in panel.iter_mut().enumerate() {
        // SAFETY: the caller's.
        store(tile, transposed(unsafe { rounded(from, shape, step * INNER) }));
    }
}

/// Rows of a weight for the left side. They are copied, because in a file they begin anywhere.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn weights_left(panel: &mut [Tile], from: Rows<u16>, (rows, inner): (usize, usize)) {
    for (step, tile) in panel.iter_mut().enumerate() {
        let mut numbers = [_mm512_setzero_si512(); SIDE];
        for (row, numbers) in numbers.iter_mut().enumerate().take(rows) {
            let (start, here) = (from.from(row, step * INNER), mask(inner - step * INNER));
            // SAFETY: of the row, only what is in the matrix is read.
            *numbers = unsafe { _mm512_maskz_loadu_epi16(here, start.at.cast()) };
        }
        store(tile, numbers);
    }
}

/// Columns of a weight for the right side, in pairs of rows; the shape is how many columns there are, and of rows, the inner size.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) unsafe fn weights_right(panel: &mut [Tile], from: Rows<u16>, (columns, inner): (usize, usize)) {
    let here = mask(columns) as __mmask16;
    for (step, tile) in panel.iter_mut().enumerate() {
        let mut pairs = [_mm512_setzero_si512(); SIDE];
        for (pair, numbers) in pairs.iter_mut().enumerate() {
            let row = step * INNER + 2 * pair;
            let wide = |row: usize| match row < inner {
                // SAFETY: the row is there, and of it only what is in the matrix is read.
                true => _mm512_cvtepu16_epi32(unsafe { _mm256_maskz_loadu_epi16(here, from.from(row, 0).at.cast()) }),
                false => _mm512_setzero_si512(),
            };
            *numbers = _mm512_or_si512(wide(row), _mm512_slli_epi32::<16>(wide(row + 1)));
        }
        store(tile, pairs);
    }
}

/// The first so many lanes, of 32.
fn mask(numbers: usize) -> __mmask32 {
    if numbers >= INNER { !0 } else { (1 << numbers) - 1 }
}

/// A tile of activations to the nearest, to even where two are as near: each row from a place of the inner size on.
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn rounded(from: Rows<f32>, (rows, inner): (usize, usize), first: usize) -> [__m512i; SIDE] {
    let mut numbers = [_mm512_setzero_si512(); SIDE];
    let here = mask(inner - first);
    for (row, numbers) in numbers.iter_mut().enumerate().take(rows) {
        let start = from.from(row, first);
        // SAFETY: of the row, only what is in the matrix is read; both types are 64 bytes, and all bits mean something.
        *numbers = unsafe {
            let low = _mm512_maskz_loadu_ps(here as __mmask16, start.at);
            let high = _mm512_maskz_loadu_ps((here >> SIDE) as __mmask16, start.from(0, SIDE).at);
            std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low))
        };
    }
    numbers
}

#[target_feature(enable = "avx512f")]
fn store(tile: &mut Tile, rows: [__m512i; SIDE]) {
    for (to, row) in tile.0.as_chunks_mut::<INNER>().0.iter_mut().zip(rows) {
        // SAFETY: there are 32 places.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), row) };
    }
}
