//! Per-row gradients contracted with directions, without storing one.
//!
//! The gradient of a weight from one row is the tile `G = dyᵀx`, `[outputs, inputs]`. Long rows form it with a matrix
//! product and read it once. In short rows that product is too thin to run fast, so a block of the tile is summed in
//! registers and contracted on the spot: the tile never reaches memory.

use std::ops::Range;

use faer::{Accum, MatMut, MatRef};
use titer_machine::{Fused, vectorized};

use super::{elementwise::dot, product::product};
use crate::{
    backend::{RowSums, TiedHead},
    real::Real,
};

/// Columns of the tile that are summed in registers at a time, for [`ROWS`] of its rows.
const BLOCK: usize = 64;

/// See [`BLOCK`].
const ROWS: usize = 2;

/// From this many tokens on, a matrix product is faster than the register blocks.
const LONG_ROW: usize = 48;

/// Numbers of the tile that are worked on at a time: they and as many of each direction stay in a core's cache while
/// all rows pass.
const PIECE: usize = 16384;

/// Partial sums of `N − 1` inner products and, last, of the squared norm.
type Lanes<T, const N: usize> = [[T; BLOCK]; N];

/// Adds `⟨G_row, V_k⟩` and `‖G_row‖²` of a linear layer for every row, and `Σ G_row` to `gradient` where there is one.
pub(super) fn linear<T: Real>(
    sums: &mut RowSums,
    gradient: Option<&mut [T]>,
    directions: &[&[T]],
    x: &[T],
    dy: &[T],
    spans: &[Range<usize>],
    shape: (usize, usize),
) {
    // So that partial sums stay in registers, their number is a constant; more than three directions come in turns.
    let (first, later) = directions.split_at(directions.len().min(3));
    turn(sums, 0, gradient, first, x, dy, spans, shape);
    for (at, directions) in later.chunks(3).enumerate() {
        turn(sums, 3 * (at + 1), None, directions, x, dy, spans, shape);
    }
}

/// The same for at most three directions, the first of which is number `first`.
fn turn<T: Real>(
    sums: &mut RowSums,
    first: usize,
    gradient: Option<&mut [T]>,
    directions: &[&[T]],
    x: &[T],
    dy: &[T],
    spans: &[Range<usize>],
    shape: (usize, usize),
) {
    match directions.len() {
        0 => vectorized!(|fused| turn_of::<T, 1>(fused, sums, first, gradient, directions, x, dy, spans, shape)),
        1 => vectorized!(|fused| turn_of::<T, 2>(fused, sums, first, gradient, directions, x, dy, spans, shape)),
        2 => vectorized!(|fused| turn_of::<T, 3>(fused, sums, first, gradient, directions, x, dy, spans, shape)),
        _ => vectorized!(|fused| turn_of::<T, 4>(fused, sums, first, gradient, directions, x, dy, spans, shape)),
    }
}

/// The same for exactly `N − 1` directions.
#[inline(always)]
fn turn_of<T: Real, const N: usize>(
    fused: Fused,
    sums: &mut RowSums,
    first_direction: usize,
    mut gradient: Option<&mut [T]>,
    directions: &[&[T]],
    x: &[T],
    dy: &[T],
    spans: &[Range<usize>],
    (inputs, outputs): (usize, usize),
) {
    let mut tile = Vec::new();
    let step = (PIECE / inputs).max(ROWS);
    for first in (0..outputs).step_by(step) {
        let piece = first..(first + step).min(outputs);
        let place = piece.start * inputs..piece.end * inputs;
        // The last one is not used: its place is that of the squared norm.
        let along: [&[T]; N] = std::array::from_fn(|k| directions.get(k).map_or(&[][..], |of| &of[place.clone()]));
        let mut total = gradient.as_mut().map(|gradient| &mut gradient[place.clone()]);
        for (row, span) in spans.iter().enumerate() {
            let x = &x[span.start * inputs..span.end * inputs];
            let dy = &dy[span.start * outputs..span.end * outputs];
            let lanes: Lanes<T, N> = if span.len() < LONG_ROW {
                short_row(fused, &along, total.as_deref_mut(), x, dy, piece.clone(), (inputs, outputs))
            } else {
                tile.resize(place.len(), T::of(0.0));
                let dy = MatRef::from_row_major_slice(dy, span.len(), outputs).subcols(piece.start, piece.len());
                let x = MatRef::from_row_major_slice(x, span.len(), inputs);
                let out = MatMut::from_row_major_slice_mut(&mut tile, piece.len(), inputs);
                product(out, Accum::Replace, dy.transpose(), x);
                let mut lanes = [[T::of(0.0); BLOCK]; N];
                contract(fused, &mut lanes, &along, 0, &tile);
                if let Some(total) = total.as_deref_mut() {
                    for (total, &value) in total.iter_mut().zip(&tile) {
                        *total += value;
                    }
                }
                lanes
            };
            let row = sums.row_mut(row);
            let (norm, dots) = lanes.split_last().expect("the norm is always there");
            let sum = |lanes: &[T; BLOCK]| lanes.iter().map(|lane| lane.f64()).sum::<f64>();
            row[first_direction..].iter_mut().zip(dots).for_each(|(to, lanes)| *to += sum(lanes));
            if first_direction == 0 {
                *row.last_mut().expect("the norm is always there") += sum(norm);
            }
        }
    }
}

/// Adds the contractions of a part of the gradient that starts at `at` of the directions.
#[inline(always)]
fn contract<T: Real, const N: usize>(fused: Fused, lanes: &mut Lanes<T, N>, along: &[&[T]; N], at: usize, part: &[T]) {
    let (blocks, rest) = part.as_chunks::<BLOCK>();
    for (index, block) in blocks.iter().enumerate() {
        contract_blocks(fused, lanes, along, [at + index * BLOCK], &[*block]);
    }
    for (place, &value) in (at + part.len() - rest.len()..).zip(rest) {
        for k in 0..N - 1 {
            lanes[k][0] = value.fma(fused, along[k][place], lanes[k][0]);
        }
        lanes[N - 1][0] = value.fma(fused, value, lanes[N - 1][0]);
    }
}

/// Whole blocks of it. A loop over the columns becomes a few vector instructions, and partial sums are loaded once for
/// all blocks.
#[inline(always)]
fn contract_blocks<T: Real, const N: usize, const M: usize>(
    fused: Fused,
    lanes: &mut Lanes<T, N>,
    along: &[&[T]; N],
    at: [usize; M],
    blocks: &[[T; BLOCK]; M],
) {
    for k in 0..N - 1 {
        let along: [&[T; BLOCK]; M] = at.map(|at| along[k][at..at + BLOCK].try_into().expect("a whole block"));
        for column in 0..BLOCK {
            for m in 0..M {
                lanes[k][column] = blocks[m][column].fma(fused, along[m][column], lanes[k][column]);
            }
        }
    }
    for column in 0..BLOCK {
        for m in 0..M {
            lanes[N - 1][column] = blocks[m][column].fma(fused, blocks[m][column], lanes[N - 1][column]);
        }
    }
}

/// The rows `piece` of one row's tile, register blocks of a few of them at a time, contracted on the spot and added to
/// `total`.
#[inline(always)]
fn short_row<T: Real, const N: usize>(
    fused: Fused,
    along: &[&[T]; N],
    mut total: Option<&mut [T]>,
    x: &[T],
    dy: &[T],
    piece: Range<usize>,
    (inputs, outputs): (usize, usize),
) -> Lanes<T, N> {
    let mut lanes = [[T::of(0.0); BLOCK]; N];
    let whole = inputs / BLOCK * BLOCK;
    let tokens = || x.chunks_exact(inputs).zip(dy.chunks_exact(outputs));
    for place in (0..piece.len()).step_by(ROWS) {
        let rows = (piece.len() - place).min(ROWS);
        // What is left at the end is filled up with its last row, which is then not contracted.
        let output: [usize; ROWS] = std::array::from_fn(|row| piece.start + place + row.min(rows - 1));
        for start in (0..whole).step_by(BLOCK) {
            let mut blocks = [[T::of(0.0); BLOCK]; ROWS];
            for (x, dy) in tokens() {
                let x: &[T; BLOCK] = x[start..start + BLOCK].try_into().expect("a whole block");
                let dy = output.map(|output| dy[output]);
                for column in 0..BLOCK {
                    for row in 0..ROWS {
                        blocks[row][column] = dy[row].fma(fused, x[column], blocks[row][column]);
                    }
                }
            }
            let at: [usize; ROWS] = std::array::from_fn(|row| (place + row) * inputs + start);
            if rows == ROWS {
                contract_blocks(fused, &mut lanes, along, at, &blocks);
            } else {
                for row in 0..rows {
                    contract_blocks(fused, &mut lanes, along, [at[row]], &[blocks[row]]);
                }
            }
            if let Some(total) = total.as_deref_mut() {
                for row in 0..rows {
                    let total: &mut [T; BLOCK] =
                        (&mut total[at[row]..at[row] + BLOCK]).try_into().expect("a whole block");
                    for column in 0..BLOCK {
                        total[column] += blocks[row][column];
                    }
                }
            }
        }
        for column in whole..inputs {
            for row in 0..rows {
                let value: T = tokens().map(|(x, dy)| dy[output[row]] * x[column]).sum();
                contract(fused, &mut lanes, along, (place + row) * inputs + column, &[value]);
                if let Some(total) = total.as_deref_mut() {
                    total[(place + row) * inputs + column] += value;
                }
            }
        }
    }
    lanes
}

/// Adds the contractions of a part of the gradient that starts at `at` of its parameter.
#[inline(always)]
fn add<T: Real>(fused: Fused, sums: &mut [f64], directions: &[&[T]], at: usize, part: &[T]) {
    for (sum, direction) in sums.iter_mut().zip(directions) {
        *sum += dot(fused, part, &direction[at..at + part.len()]);
    }
    sums[directions.len()] += dot(fused, part, part);
}

/// Adds the contractions of a norm's scale, whose gradient from one row is `Σ dy ⊙ x · r`.
#[inline(always)]
pub(super) fn norm<T: Real>(
    fused: Fused,
    sums: &mut RowSums,
    directions: &[&[T]],
    x: &[T],
    inverse_rms: &[T],
    dy: &[T],
    spans: &[Range<usize>],
    heads: usize,
) {
    let width = directions.first().map_or(x.len() / inverse_rms.len().max(1), |direction| direction.len());
    let mut gradient = vec![T::of(0.0); width];
    for (row, span) in spans.iter().enumerate() {
        gradient.fill(T::of(0.0));
        for token in span.start * heads..span.end * heads {
            let place = token * width..(token + 1) * width;
            for ((sum, &x), &dy) in gradient.iter_mut().zip(&x[place.clone()]).zip(&dy[place]) {
                *sum += dy * x * inverse_rms[token];
            }
        }
        add(fused, sums.row_mut(row), directions, 0, &gradient);
    }
}

/// Adds the contractions of an embedding table, whose gradient from one row is the sum of `dy` over each token's
/// places. Where the head is the same table, `‖A + E‖² = ‖A‖² + ‖E‖² + 2⟨A, E⟩`, and the last term is added here.
#[inline(always)]
pub(super) fn embedding<T: Real>(
    fused: Fused,
    sums: &mut RowSums,
    directions: &[&[T]],
    tokens: &[u32],
    dy: &[T],
    spans: &[Range<usize>],
    width: usize,
    tied: Option<TiedHead<'_, Vec<T>, Vec<Range<usize>>>>,
) {
    let mut gradient = vec![T::of(0.0); width];
    for (row, span) in spans.iter().enumerate() {
        let mut places: Vec<usize> = span.clone().collect();
        places.sort_by_key(|&place| tokens[place]);
        for same in places.chunk_by(|&a, &b| tokens[a] == tokens[b]) {
            let token = tokens[same[0]] as usize;
            gradient.fill(T::of(0.0));
            for &place in same {
                for (sum, &dy) in gradient.iter_mut().zip(&dy[place * width..(place + 1) * width]) {
                    *sum += dy;
                }
            }
            let sums = sums.row_mut(row);
            add(fused, sums, directions, token * width, &gradient);
            if let Some(head) = &tied {
                let vocabulary = head.dy.len() / (head.x.len() / width);
                for place in head.spans[row].clone() {
                    let weight = head.dy[place * vocabulary + token].f64();
                    let along = dot(fused, &head.x[place * width..(place + 1) * width], &gradient);
                    sums[directions.len()] += 2.0 * weight * along;
                }
            }
        }
    }
}
