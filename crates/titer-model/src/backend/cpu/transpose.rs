//! Sixteen vectors of sixteen lanes, transposed in registers.

use std::arch::x86_64::*;

/// A 16 × 16 matrix of 4-byte lanes transposed: lanes within quarters of the vectors, then the quarters.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn transposed(rows: [__m512i; 16]) -> [__m512i; 16] {
    let (mut a, mut b) = (rows, [_mm512_setzero_si512(); 16]);
    for i in 0..8 {
        b[2 * i] = _mm512_unpacklo_epi32(a[2 * i], a[2 * i + 1]);
        b[2 * i + 1] = _mm512_unpackhi_epi32(a[2 * i], a[2 * i + 1]);
    }
    for i in 0..4 {
        a[4 * i] = _mm512_unpacklo_epi64(b[4 * i], b[4 * i + 2]);
        a[4 * i + 1] = _mm512_unpackhi_epi64(b[4 * i], b[4 * i + 2]);
        a[4 * i + 2] = _mm512_unpacklo_epi64(b[4 * i + 1], b[4 * i + 3]);
        a[4 * i + 3] = _mm512_unpackhi_epi64(b[4 * i + 1], b[4 * i + 3]);
    }
    for i in 0..4 {
        for half in [0, 8] {
            b[half + i] = _mm512_shuffle_i32x4::<0b10_00_10_00>(a[half + i], a[half + 4 + i]);
            b[half + 4 + i] = _mm512_shuffle_i32x4::<0b11_01_11_01>(a[half + i], a[half + 4 + i]);
        }
    }
    for i in 0..8 {
        a[i] = _mm512_shuffle_i32x4::<0b10_00_10_00>(b[i], b[8 + i]);
        a[8 + i] = _mm512_shuffle_i32x4::<0b11_01_11_01>(b[i], b[8 + i]);
    }
    a
}
