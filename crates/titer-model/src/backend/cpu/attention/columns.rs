//! Keys and values transposed, so that a query meets sixteen keys at once.

use crate::{backend::cpu::elementwise::LANES, real::Real};

/// A transposed matrix.
pub(super) struct Columns<T> {
    pub(super) numbers: Vec<T>,
    /// From one row to the next.
    pub(super) stride: usize,
}

/// `[tokens, width] → [width, tokens]`, each row with room for lanes behind it.
#[inline(always)]
pub(super) fn transpose<T: Real>(x: &[T], width: usize) -> Columns<T> {
    let tokens = x.len() / width;
    let stride = tokens + LANES;
    let mut numbers = vec![T::of(0.0); width * stride];
    let tiles = (tokens / LANES * LANES, width / LANES * LANES);
    for token in (0..tiles.0).step_by(LANES) {
        for column in (0..tiles.1).step_by(LANES) {
            let row =
                |at: usize| -> &[T; LANES] { x[(token + at) * width + column..].first_chunk().expect("a whole tile") };
            let tile: [&[T; LANES]; LANES] = std::array::from_fn(row);
            for at in 0..LANES {
                let mut out = [T::of(0.0); LANES];
                for lane in 0..LANES {
                    out[lane] = tile[lane][at];
                }
                numbers[(column + at) * stride + token..][..LANES].copy_from_slice(&out);
            }
        }
    }
    for token in 0..tokens {
        for column in if token < tiles.0 { tiles.1 } else { 0 }..width {
            numbers[column * stride + token] = x[token * width + column];
        }
    }
    Columns { numbers, stride }
}
