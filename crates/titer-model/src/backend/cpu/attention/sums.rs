//! Sums over the keys of a tile, and over its queries: the two sides of a product with the weights.

use titer_machine::Fused;

use super::{
    place::HeadPlace,
    tile::{Tile, ranges},
};
use crate::{
    backend::cpu::elementwise::{LANES, add_scaled},
    packed::Reach,
    real::Real,
};

/// `sums + factor · x`
#[inline(always)]
fn plus<T: Real>(fused: Fused, mut sums: [T; LANES], factor: T, x: &[T; LANES]) -> [T; LANES] {
    for lane in 0..LANES {
        sums[lane] = factor.fma(fused, x[lane], sums[lane]);
    }
    sums
}

/// `out[out_at(slot)..] = Σ_j weights[slot][j] · x[j]` over the keys that the query in a slot reaches, in their order.
#[inline(always)]
pub(super) fn weigh<T: Real, const Q: usize>(
    fused: Fused,
    out: &mut [T],
    out_at: impl Fn(usize) -> usize,
    weights: [&[T]; Q],
    x: &[T],
    place: HeadPlace,
    tile: &Tile,
) {
    let (blocks, past) = place.whole_blocks();
    for pair in 0..blocks / 2 {
        weigh_blocks::<T, Q, 2>(fused, out, &out_at, weights, x, place, pair * 2 * LANES, tile);
    }
    if blocks % 2 == 1 {
        weigh_blocks::<T, Q, 1>(fused, out, &out_at, weights, x, place, past - LANES, tile);
    }
    if past == place.width {
        return;
    }
    for slot in 0..tile.count {
        let rest = &mut out[out_at(slot)..][past..place.width];
        rest.fill(T::of(0.0));
        let further = (tile.next_key, tile.keys[0], tile.keys[slot] - tile.keys[0]);
        for (first, begin, len) in ranges(tile.common).chain([further]) {
            for j in 0..len {
                let x = &x[(first + j) * place.stride + place.column..][past..place.width];
                add_scaled(fused, rest, weights[slot][begin + j], x);
            }
        }
    }
}

/// `N` blocks of that sum, from number `at` of the head on.
#[inline(always)]
fn weigh_blocks<T: Real, const Q: usize, const N: usize>(
    fused: Fused,
    out: &mut [T],
    out_at: impl Fn(usize) -> usize,
    weights: [&[T]; Q],
    x: &[T],
    place: HeadPlace,
    at: usize,
    tile: &Tile,
) {
    let mut sums = [[[T::of(0.0); LANES]; N]; Q];
    for (first, begin, len) in ranges(tile.common) {
        let weights = cut(weights, begin, len);
        for j in 0..len {
            let row = place.blocks::<T, N>(x, first + j, at);
            for slot in 0..Q {
                for block in 0..N {
                    sums[slot][block] = plus(fused, sums[slot][block], weights[slot][j], &row[block]);
                }
            }
        }
    }
    for slot in 1..Q {
        for further in 0..tile.keys[slot] - tile.keys[0] {
            let row = place.blocks::<T, N>(x, tile.next_key + further, at);
            for block in 0..N {
                sums[slot][block] = plus(fused, sums[slot][block], weights[slot][tile.keys[0] + further], &row[block]);
            }
        }
    }
    for slot in 0..Q {
        out[out_at(slot) + at..][..N * LANES].copy_from_slice(sums[slot].as_flattened());
    }
}

/// Adds `weights[term][j] · x[term]` to row `j` of `out` for every key of a reach, term after term.
#[inline(always)]
pub(super) fn spread<T: Real, const N: usize>(
    fused: Fused,
    out: &mut [T],
    weights: [&[T]; N],
    x: [&[T]; N],
    place: HeadPlace,
    reach: &Reach,
) {
    let (blocks, past) = place.whole_blocks();
    for (first, begin, len) in ranges(reach) {
        let weights = cut(weights, begin, len);
        let out = &mut out[first * place.stride..][..len * place.stride];
        for pair in 0..blocks / 2 {
            spread_blocks::<T, N, 2>(fused, out, weights, x, place, pair * 2 * LANES);
        }
        if blocks % 2 == 1 {
            spread_blocks::<T, N, 1>(fused, out, weights, x, place, past - LANES);
        }
        if past < place.width {
            for (j, row) in out.chunks_exact_mut(place.stride).enumerate() {
                for term in 0..N {
                    add_scaled(fused, &mut row[place.column..][past..place.width], weights[term][j], &x[term][past..]);
                }
            }
        }
    }
}

/// `B` blocks of it, from number `at` of the head on.
#[inline(always)]
fn spread_blocks<T: Real, const N: usize, const B: usize>(
    fused: Fused,
    out: &mut [T],
    weights: [&[T]; N],
    x: [&[T]; N],
    place: HeadPlace,
    at: usize,
) {
    let mut of_term = [[[T::of(0.0); LANES]; B]; N];
    for term in 0..N {
        of_term[term] = *x[term][at..].as_chunks().0.first_chunk().expect("a head's numbers stand together");
    }
    for (j, row) in out.chunks_exact_mut(place.stride).enumerate() {
        let row = row[place.column + at..].as_chunks_mut().0;
        let to: &mut [[T; LANES]; B] = row.first_chunk_mut().expect("a head's numbers stand together");
        let mut sums = *to;
        for term in 0..N {
            for block in 0..B {
                sums[block] = plus(fused, sums[block], weights[term][j], &of_term[term][block]);
            }
        }
        *to = sums;
    }
}

/// The part of each row that a span has.
#[inline(always)]
fn cut<T, const N: usize>(mut rows: [&[T]; N], begin: usize, len: usize) -> [&[T]; N] {
    for row in &mut rows {
        *row = &row[begin..begin + len];
    }
    rows
}
