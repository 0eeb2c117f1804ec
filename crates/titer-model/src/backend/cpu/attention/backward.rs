//! Gradients of queries, keys and values.

use titer_machine::Fused;

use super::{
    columns::{Columns, transpose},
    forward::Inputs,
    place::{HeadPlace, kept, keys_of_four, of_keys, of_query, of_weights},
    rows::Rows,
    sums::{spread, weigh},
    tile::{TILE, Tile, most_together, ranges},
};
use crate::{
    backend::{
        Heads,
        cpu::elementwise::{add_scaled, multiply},
    },
    packed::Reach,
    real::Real,
};

pub(in crate::backend::cpu) struct Gradients<'a, T> {
    pub(in crate::backend::cpu) dq: &'a mut [T],
    pub(in crate::backend::cpu) dk: &'a mut [T],
    pub(in crate::backend::cpu) dv: &'a mut [T],
}

#[inline(always)]
pub(in crate::backend::cpu) fn backward<T: Real>(
    fused: Fused,
    Gradients { dq, dk, dv }: Gradients<'_, T>,
    dout: &[T],
    weights: &[T],
    Inputs { q, k, v }: Inputs<'_, T>,
    reach: &[Reach],
    heads: Heads,
) {
    let v = transpose(v, heads.keys * heads.width);
    let [mut dscores, mut probs] = [(); 2].map(|()| Rows::new(heads.queries, reach));
    let (mut weights, mut first) = (weights, 0);
    while first < reach.len() {
        let tile = Tile::at(reach, first, most_together::<T>(fused));
        let (here, rest) = weights.split_at(kept(heads) * heads.queries * tile.all_keys());
        let (gradients, inputs, rows) = ((&mut *dq, &mut *dk, &mut *dv), (q, k, &v), (&mut dscores, &mut probs));
        match tile.count {
            1 => backward_tile::<T, 1>(fused, gradients, dout, here, inputs, &tile, heads, rows),
            _ => backward_tile::<T, TILE>(fused, gradients, dout, here, inputs, &tile, heads, rows),
        }
        (weights, first) = (rest, first + tile.count);
    }
}

#[inline(always)]
fn backward_tile<T: Real, const Q: usize>(
    fused: Fused,
    (dq, dk, dv): (&mut [T], &mut [T], &mut [T]),
    dout: &[T],
    weights: &[T],
    (q, k, v): (&[T], &[T], &Columns<T>),
    tile: &Tile,
    heads: Heads,
    (dscores, probs): (&mut Rows<T>, &mut Rows<T>),
) {
    let scale = T::of(heads.scale);
    dscores.resize(tile);
    probs.resize(tile);
    for head in 0..heads.queries {
        let mut douts = [&dout[..0]; Q];
        for slot in 0..Q {
            let keys = tile.keys[slot];
            let weights = &weights[of_weights(tile, head, slot, heads)..][..keys];
            probs.row_mut(head * Q + slot, keys).copy_from_slice(weights);
            douts[slot] = &dout[of_query(tile, head, slot, heads)..][..heads.width];
        }
        dscores.dot(fused, head * Q, douts, v, of_keys(head, heads).column, tile.all);
    }
    for first in (0..heads.queries * Q).step_by(4) {
        let means = dscores.sums_of_four(first, keys_of_four::<Q>(tile), Some(probs));
        for (row, mean) in (first..heads.queries * Q).zip(means) {
            let (head, slot, keys) = (row / Q, row % Q, tile.keys[row % Q]);
            for (block, probs) in dscores.lanes_mut(row, keys).iter_mut().zip(&*probs.lanes_mut(row, keys)) {
                for lane in 0..block.len() {
                    block[lane] = (block[lane] - mean) * probs[lane] * scale;
                }
            }
            if heads.softcap.is_some() {
                let slopes = &weights[of_weights(tile, head, slot, heads) + keys..][..keys];
                multiply(dscores.row_mut(row, keys), slopes);
            }
        }
    }
    for head in 0..heads.queries {
        let mut weights = [dscores.row(0, 0); Q];
        for slot in 0..Q {
            weights[slot] = dscores.row(head * Q + slot, tile.keys[slot]);
        }
        weigh(fused, dq, |slot| of_query(tile, head, slot, heads), weights, k, of_keys(head, heads), tile);
    }
    for (out, rows, x) in [(dk, &*dscores, q), (dv, &*probs, dout)] {
        gather::<T, Q>(fused, out, rows, x, tile, heads);
    }
}

/// Adds to the numbers of every key what the queries of the tile give it: `out[key] += Σ rows[query, key] · x[query]`, query by query, and of
/// each the heads that the key serves.
#[inline(always)]
fn gather<T: Real, const Q: usize>(fused: Fused, out: &mut [T], rows: &Rows<T>, x: &[T], tile: &Tile, heads: Heads) {
    let group = heads.queries / heads.keys;
    let terms = tile.count * group;
    for first in (0..heads.queries).step_by(group) {
        let place = of_keys(first, heads);
        let term = |at: usize| {
            let (slot, head) = (at / group, first + at % group);
            let x = &x[of_query(tile, head, slot, heads)..][..heads.width];
            (rows.row(head * Q + slot, tile.keys[slot]), x)
        };
        if Q == 1 {
            for at in 0..terms {
                let (weights, x) = term(at);
                add_to_keys(fused, out, weights, x, place, tile.common);
            }
            continue;
        }
        // Four terms at a time; those that are not there weigh nothing.
        for at in (0..terms).step_by(4) {
            let (mut weights, mut of_term) = ([rows.zeros(tile.keys[0]); 4], [&x[..heads.width]; 4]);
            for one in 0..4.min(terms - at) {
                (weights[one], of_term[one]) = term(at + one);
            }
            spread(fused, out, weights, of_term, place, tile.common);
        }
        for at in group..terms {
            let (weights, x) = term(at);
            for (further, &weight) in weights[tile.keys[0]..].iter().enumerate() {
                let to = (tile.next_key + further) * place.stride + place.column;
                add_scaled(fused, &mut out[to..][..heads.width], weight, x);
            }
        }
    }
}

/// `out[j] += weights[j] · x` over the keys of a reach.
#[inline(always)]
fn add_to_keys<T: Real>(fused: Fused, out: &mut [T], weights: &[T], x: &[T], place: HeadPlace, reach: &Reach) {
    for (first, begin, len) in ranges(reach) {
        let rows = out[first * place.stride..][..len * place.stride].chunks_exact_mut(place.stride);
        for (row, &weight) in rows.zip(&weights[begin..begin + len]) {
            add_scaled(fused, &mut row[place.column..][..place.width], weight, x);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use titer_machine::vectorized;

    use super::*;
    use crate::{backend::cpu::attention::forward, packed::Span};

    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761) + 1;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count).map(next).collect()
    }

    /// Rows one behind the other, each of which begins with a span that two branches share, and looks back over a window where there is one.
    fn reach(rows: &[(u32, u32, u32)], window: Option<u32>) -> Vec<Reach> {
        let (mut all, mut start) = (Vec::new(), 0);
        for &(shared, left, right) in rows {
            let beginning = Span { start, len: shared };
            let last = |start: u32, len: u32| match window {
                Some(window) if len > window => Span { start: start + len - window, len: window },
                _ => Span { start, len },
            };
            all.extend((1..=shared).map(|len| Reach::over(&[last(start, len)])));
            start += shared;
            for branch in [left, right] {
                all.extend((1..=branch).map(|len| Reach::over(&[beginning, last(start, len)])));
                start += branch;
            }
        }
        all
    }

    struct Passed {
        out: Vec<f32>,
        weights: Vec<f32>,
        gradients: [Vec<f32>; 3],
    }

    /// Forward and backward over these queries, `at_once` of them in a call.
    fn pass(reach: &[Reach], heads: Heads, at_once: usize) -> Passed {
        let (query_width, key_width) = (heads.queries * heads.width, heads.keys * heads.width);
        let [q, dout] = [1, 2].map(|seed| numbers(reach.len() * query_width, seed));
        let [k, v] = [3, 4].map(|seed| numbers(reach.len() * key_width, seed));
        let mut passed = Passed {
            out: vec![0.0; q.len()],
            weights: Vec::new(),
            gradients: [vec![0.0; q.len()], vec![0.0; k.len()], vec![0.0; v.len()]],
        };
        for (at, reach) in reach.chunks(at_once).enumerate() {
            let here = at * at_once * query_width..(at * at_once + reach.len()) * query_width;
            let kept = kept(heads) * heads.queries * reach.iter().map(Reach::keys).sum::<usize>();
            let mut weights = vec![0.0; kept];
            let inputs = || Inputs { q: &q[here.clone()], k: &k, v: &v };
            let out = &mut passed.out[here.clone()];
            vectorized!(|fused| forward(fused, out, &mut weights, inputs(), reach, heads));
            let [dq, dk, dv] = &mut passed.gradients;
            let gradients = Gradients { dq: &mut dq[here.clone()], dk, dv };
            vectorized!(|fused| backward(fused, gradients, &dout[here.clone()], &weights, inputs(), reach, heads));
            passed.weights.extend(weights);
        }
        passed
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]

        #[test]
        fn queries_that_go_together_are_as_if_each_went_alone_bit_for_bit(
            rows in prop::collection::vec((1_u32..40, 0_u32..20, 0_u32..20), 1..4),
            window in prop::option::of(1_u32..12),
            (keys, group, width) in (1_usize..4, 1_usize..6, 1_usize..70),
            softcap in prop::option::of(Just(3.0)),
        ) {
            let heads = Heads { queries: keys * group, keys, width: width * 2, scale: 0.3, softcap };
            let reach = reach(&rows, window);
            let (together, alone) = (pass(&reach, heads, reach.len()), pass(&reach, heads, 1));
            let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&together.out), bits(&alone.out));
            prop_assert_eq!(bits(&together.weights), bits(&alone.weights));
            for (together, alone) in together.gradients.iter().zip(&alone.gradients) {
                prop_assert_eq!(bits(together), bits(alone));
            }
        }
    }
}
