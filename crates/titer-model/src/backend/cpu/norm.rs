//! Root-mean-square norm, a row at a time.

use crate::real::Real;

/// Eight partial sums, so that the reduction vectorises.
#[inline(always)]
fn sum_of<T: Real>(len: usize, term: impl Fn(usize) -> T) -> T {
    const LANES: usize = 8;
    let mut lanes = [T::of(0.0); LANES];
    let blocks = len / LANES * LANES;
    for start in (0..blocks).step_by(LANES) {
        for lane in 0..LANES {
            lanes[lane] += term(start + lane);
        }
    }
    let rest = (blocks..len).map(&term).fold(T::of(0.0), |sum, x| sum + x);
    lanes.into_iter().fold(rest, |sum, x| sum + x)
}

#[inline(always)]
pub(super) fn forward<T: Real>(y: &mut [T], inverse_rms: &mut [T], x: &[T], scale: &[T], eps: T) {
    let width = scale.len();
    for ((y, x), kept) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(inverse_rms) {
        let mean_square = sum_of(width, |at| x[at] * x[at]) / T::of(width as f64);
        let inverse = T::of(1.0) / num_traits::Float::sqrt(mean_square + eps);
        for at in 0..width {
            y[at] = x[at] * inverse * scale[at];
        }
        *kept = inverse;
    }
}

#[inline(always)]
pub(super) fn backward<T: Real>(dx: &mut [T], dy: &[T], x: &[T], scale: &[T], inverse_rms: &[T]) {
    let width = scale.len();
    let rows = dx.chunks_exact_mut(width).zip(dy.chunks_exact(width)).zip(x.chunks_exact(width));
    for (((dx, dy), x), &inverse) in rows.zip(inverse_rms) {
        let along = sum_of(width, |at| dy[at] * scale[at] * x[at]);
        let pull = along * inverse * inverse * inverse / T::of(width as f64);
        for at in 0..width {
            dx[at] += dy[at] * scale[at] * inverse - x[at] * pull;
        }
    }
}

#[inline(always)]
pub(super) fn scale_gradient<T: Real>(dscale: &mut [T], dy: &[T], x: &[T], inverse_rms: &[T]) {
    let width = dscale.len();
    for ((dy, x), &inverse) in dy.chunks_exact(width).zip(x.chunks_exact(width)).zip(inverse_rms) {
        for at in 0..width {
            dscale[at] += dy[at] * x[at] * inverse;
        }
    }
}
