//! Tiles multiplied by AVX-512 BF16.
//!
//! `vdpbf16ps` adds the products of a pair one after the other, odd place first, to the sum in f32, each to the nearest. Numbers too
//! small to be normal are taken for zeros.

use std::arch::x86_64::*;

use super::tile::{INNER, SIDE, Sums, Tile};

/// Rows whose sums are in registers at a time.
const ROWS: usize = 8;

/// See [`super::tile::Multiply`].
///
/// # Safety
/// AVX-512 BF16 is available.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) unsafe fn multiply(left: [&[Tile]; 2], right: [&[Tile]; 2], sums: &mut Sums) {
    let (all, _) = sums.0.as_chunks_mut::<{ 2 * SIDE }>();
    for (part, rows) in all.chunks_exact_mut(ROWS).enumerate() {
        let (panel, first) = (left[part * ROWS / SIDE], part * ROWS % SIDE);
        let mut found = [[_mm512_setzero_ps(); 2]; ROWS];
        for ((left, near), far) in panel.iter().zip(right[0]).zip(right[1]) {
            let (left, (near, far)) = (left.0.as_chunks::<2>().0, (&near.0, &far.0));
            for pair in 0..INNER / 2 {
                let numbers = [near, far].map(|right| vector(&right.as_chunks::<{ 2 * SIDE }>().0[pair]));
                for row in 0..ROWS {
                    let [low, high] = left[(first + row) * INNER / 2 + pair];
                    let factor = _mm512_set1_epi32((u32::from(high) << 16 | u32::from(low)).cast_signed());
                    for side in 0..2 {
                        found[row][side] = _mm512_dpbf16_ps(found[row][side], numbers[side], bf16(factor));
                    }
                }
            }
        }
        for (to, found) in rows.iter_mut().zip(found) {
            for (to, found) in to.as_chunks_mut::<SIDE>().0.iter_mut().zip(found) {
                // SAFETY: there are 16 places.
                unsafe { _mm512_storeu_ps(to.as_mut_ptr(), found) };
            }
        }
    }
}

#[target_feature(enable = "avx512f")]
fn vector(numbers: &[u16; 2 * SIDE]) -> __m512bh {
    // SAFETY: there are 32 numbers.
    bf16(unsafe { _mm512_loadu_si512(numbers.as_ptr().cast()) })
}

#[target_feature(enable = "avx512f")]
fn bf16(bits: __m512i) -> __m512bh {
    // SAFETY: both are 64 bytes, and all bits mean something.
    unsafe { std::mem::transmute(bits) }
}
