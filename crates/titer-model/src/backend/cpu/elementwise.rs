//! Loops over whole buffers.

use titer_machine::Fused;

use crate::backend::AdamStep;
use crate::real::Real;

/// Numbers that are worked on side by side: as many as the widest registers hold f32.
pub(super) const LANES: usize = 16;

/// `out += factor · x`. A block is read before any of it is written, so that it is a vector wherever the two lie.
#[inline(always)]
pub(super) fn add_scaled<T: Real>(fused: Fused, out: &mut [T], factor: T, x: &[T]) {
    assert_eq!(out.len(), x.len());
    let (blocks, rest) = out.as_chunks_mut::<LANES>();
    let (x_blocks, x_rest) = x.as_chunks::<LANES>();
    for (to, &from) in blocks.iter_mut().zip(x_blocks) {
        let mut sums = *to;
        for lane in 0..LANES {
            sums[lane] = factor.fma(fused, from[lane], sums[lane]);
        }
        *to = sums;
    }
    for (to, &from) in rest.iter_mut().zip(x_rest) {
        *to = factor.fma(fused, from, *to);
    }
}

#[inline(always)]
pub(super) fn add_product<T: Real>(out: &mut [T], a: &[T], b: &[T]) {
    assert!(out.len() == a.len() && out.len() == b.len());
    for at in 0..out.len() {
        out[at] += a[at] * b[at];
    }
}

#[inline(always)]
pub(super) fn multiply<T: Real>(out: &mut [T], x: &[T]) {
    assert_eq!(out.len(), x.len());
    for (to, &factor) in out.iter_mut().zip(x) {
        *to *= factor;
    }
}

#[inline(always)]
pub(super) fn scale<T: Real>(out: &mut [T], factor: T) {
    for x in out {
        *x *= factor;
    }
}

#[inline(always)]
pub(super) fn scale_rows<T: Real>(rows: &mut [T], factors: &[T], width: usize) {
    for (row, &factor) in rows.chunks_exact_mut(width).zip(factors) {
        scale(row, factor);
    }
}

#[inline(always)]
pub(super) fn scatter_add<T: Real>(table: &mut [T], rows: &[T], ids: &[u32], width: usize) {
    for (row, &id) in rows.chunks_exact(width).zip(ids) {
        for (to, &from) in table[id as usize * width..][..width].iter_mut().zip(row) {
            *to += from;
        }
    }
}

/// Sixteen partial sums per block of 4096, then f64: vectorises, and loses no more than f32 rounding of short sums.
#[inline(always)]
pub(super) fn dot<T: Real>(fused: Fused, a: &[T], b: &[T]) -> f64 {
    assert_eq!(a.len(), b.len());
    let mut total = 0.0;
    for (a, b) in a.chunks(4096).zip(b.chunks(4096)) {
        let mut lanes = [T::of(0.0); LANES];
        let (a_blocks, a_rest) = a.as_chunks::<LANES>();
        let (b_blocks, b_rest) = b.as_chunks::<LANES>();
        for (a, b) in a_blocks.iter().zip(b_blocks) {
            for lane in 0..LANES {
                lanes[lane] = a[lane].fma(fused, b[lane], lanes[lane]);
            }
        }
        total += lanes.iter().map(|lane| lane.f64()).sum::<f64>();
        total += a_rest.iter().zip(b_rest).map(|(&a, &b)| a.f64() * b.f64()).sum::<f64>();
    }
    total
}

/// `x = cap · tanh(x / cap)`, and its derivative into `slopes`.
#[inline(always)]
pub(super) fn softcap<T: Real>(x: &mut [T], slopes: &mut [T], cap: T) {
    assert_eq!(x.len(), slopes.len());
    for (x, slope) in x.iter_mut().zip(slopes) {
        let tanh = num_traits::Float::tanh(*x / cap);
        *x = cap * tanh;
        *slope = T::of(1.0) - tanh * tanh;
    }
}

#[inline(always)]
pub(super) fn add_preconditioned<T: Real>(out: &mut [T], factor: T, x: &[T], second: &[T], correction2: T, eps: T) {
    assert!(out.len() == x.len() && out.len() == second.len());
    for at in 0..out.len() {
        out[at] += factor * x[at] / (num_traits::Float::sqrt(second[at] * correction2) + eps);
    }
}

#[inline(always)]
pub(super) fn adam<T: Real>(weight: &mut [T], gradient: &[T], first: &mut [T], second: &mut [T], step: AdamStep) {
    assert!(weight.len() == gradient.len() && weight.len() == first.len() && weight.len() == second.len());
    let [step_size, keep, beta1, beta2, eps, correction2, scale] =
        [step.step_size(), step.keep(), step.beta1, step.beta2, step.eps, step.correction2(), step.gradient_scale]
            .map(T::of);
    let (rest1, rest2) = (T::of(1.0) - beta1, T::of(1.0) - beta2);
    for at in 0..weight.len() {
        let g = gradient[at] * scale;
        let m = beta1 * first[at] + rest1 * g;
        let v = beta2 * second[at] + rest2 * g * g;
        first[at] = m;
        second[at] = v;
        weight[at] = keep * weight[at] - step_size * m / (num_traits::Float::sqrt(v * correction2) + eps);
    }
}
