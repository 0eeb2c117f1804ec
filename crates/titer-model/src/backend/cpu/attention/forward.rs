//! Scores, weights and outputs.

use titer_machine::Fused;

use super::{
    columns::{Columns, transpose},
    place::{kept, keys_of_four, of_keys, of_query, of_weights},
    rows::Rows,
    sums::weigh,
    tile::{TILE, Tile, most_together},
};
use crate::{
    backend::{Heads, cpu::elementwise::softcap},
    packed::Reach,
    real::Real,
};

pub(in crate::backend::cpu) struct Inputs<'a, T> {
    pub(in crate::backend::cpu) q: &'a [T],
    pub(in crate::backend::cpu) k: &'a [T],
    pub(in crate::backend::cpu) v: &'a [T],
}

/// The outputs, and the weights with which keys were summed: of each query, of each head, of each key; with a softcap the slopes behind them.
#[inline(always)]
pub(in crate::backend::cpu) fn forward<T: Real>(
    fused: Fused,
    out: &mut [T],
    weights: &mut [T],
    Inputs { q, k, v }: Inputs<'_, T>,
    reach: &[Reach],
    heads: Heads,
) {
    let k = transpose(k, heads.keys * heads.width);
    let mut scaled = vec![T::of(0.0); TILE * heads.width];
    let mut scores = Rows::new(heads.queries, reach);
    let (mut weights, mut first) = (weights, 0);
    while first < reach.len() {
        let tile = Tile::at(reach, first, most_together::<T>(fused));
        let (here, rest) = weights.split_at_mut(kept(heads) * heads.queries * tile.all_keys());
        match tile.count {
            1 => forward_tile::<T, 1>(fused, out, here, (q, &k, v), &tile, heads, &mut scaled, &mut scores),
            _ => forward_tile::<T, TILE>(fused, out, here, (q, &k, v), &tile, heads, &mut scaled, &mut scores),
        }
        (weights, first) = (rest, first + tile.count);
    }
}

#[inline(always)]
fn forward_tile<T: Real, const Q: usize>(
    fused: Fused,
    out: &mut [T],
    weights: &mut [T],
    (q, k, v): (&[T], &Columns<T>, &[T]),
    tile: &Tile,
    heads: Heads,
    scaled: &mut [T],
    scores: &mut Rows<T>,
) {
    let scale = T::of(heads.scale);
    scores.resize(tile);
    for head in 0..heads.queries {
        for (slot, scaled) in scaled.chunks_exact_mut(heads.width).take(Q).enumerate() {
            for (to, &from) in scaled.iter_mut().zip(&q[of_query(tile, head, slot, heads)..]) {
                *to = from * scale;
            }
        }
        let mut queries = [&scaled[..0]; Q];
        for slot in 0..Q {
            queries[slot] = &scaled[slot * heads.width..][..heads.width];
        }
        scores.dot(fused, head * Q, queries, k, of_keys(head, heads).column, tile.all);
        for slot in 0..Q {
            let (row, keys) = (head * Q + slot, tile.keys[slot]);
            if let Some(cap) = heads.softcap {
                let slopes = &mut weights[of_weights(tile, head, slot, heads) + keys..][..keys];
                softcap(scores.row_mut(row, keys), slopes, T::of(cap));
            }
            scores.exponentials(fused, row, keys);
        }
    }
    for first in (0..heads.queries * Q).step_by(4) {
        let sums = scores.sums_of_four(first, keys_of_four::<Q>(tile), None);
        for (row, sum) in (first..heads.queries * Q).zip(sums) {
            let (head, slot, inverse) = (row / Q, row % Q, T::of(1.0) / sum);
            let weights = &mut weights[of_weights(tile, head, slot, heads)..];
            for (to, &from) in weights.iter_mut().zip(scores.row(row, tile.keys[slot])) {
                *to = from * inverse;
            }
        }
    }
    for head in 0..heads.queries {
        let mut of_slot = [&weights[..0]; Q];
        for slot in 0..Q {
            of_slot[slot] = &weights[of_weights(tile, head, slot, heads)..][..tile.keys[slot]];
        }
        weigh(fused, out, |slot| of_query(tile, head, slot, heads), of_slot, v, of_keys(head, heads), tile);
    }
}
