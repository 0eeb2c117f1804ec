//! Per-row gradients contracted with directions, without storing one.
//!
//! The gradient of a weight from one row is the tile `G = dyᵀx`, `[outputs, inputs]`. Long rows form it with a matrix
//! product and read it once. In short rows that product is too thin to run fast, so a block of the tile is summed in
//! registers and contracted on the spot: the tile never reaches memory.

use std::ops::Range;

use faer::{Accum, MatMut, MatRef, Par, linalg::matmul::matmul};

use super::elementwise::dot;
use crate::{
    backend::{RowSums, TiedHead},
    real::Real,
};

/// Columns of the tile that are summed in registers at a time.
const BLOCK: usize = 64;

/// Partial sums of an inner product: one vector register or two.
const LANES: usize = 16;

/// From this many tokens on, a matrix product is faster than the register blocks.
const LONG_ROW: usize = 48;

/// Numbers of the tile that are worked on at a time: they and as many of each direction stay in a core's cache while
/// all rows pass.
const PIECE: usize = 16384;

/// Adds `⟨G_row, V_k⟩` and `‖G_row‖²` of a linear layer for every row.
pub(super) fn linear<T: Real>(
    sums: &mut RowSums,
    directions: &[&[T]],
    x: &[T],
    dy: &[T],
    spans: &[Range<usize>],
    (inputs, outputs): (usize, usize),
) {
    let mut tile = Vec::new();
    let mut lanes = vec![[T::of(0.0); LANES]; directions.len() + 1];
    let step = (PIECE / inputs).max(1);
    for first in (0..outputs).step_by(step) {
        let piece = first..(first + step).min(outputs);
        let place = piece.start * inputs..piece.end * inputs;
        let along: Vec<&[T]> = directions.iter().map(|direction| &direction[place.clone()]).collect();
        for (row, span) in spans.iter().enumerate() {
            let x = &x[span.start * inputs..span.end * inputs];
            let dy = &dy[span.start * outputs..span.end * outputs];
            lanes.fill([T::of(0.0); LANES]);
            if span.len() < LONG_ROW {
                short_row(&mut lanes, &along, x, dy, piece.clone(), (inputs, outputs));
            } else {
                tile.resize(place.len(), T::of(0.0));
                let dy = MatRef::from_row_major_slice(dy, span.len(), outputs).subcols(piece.start, piece.len());
                let x = MatRef::from_row_major_slice(x, span.len(), inputs);
                let out = MatMut::from_row_major_slice_mut(&mut tile, piece.len(), inputs);
                matmul(out, Accum::Replace, dy.transpose(), x, T::of(1.0), Par::Seq);
                contract(&mut lanes, &along, 0, &tile);
            }
            for (sum, lanes) in sums.row_mut(row).iter_mut().zip(&lanes) {
                *sum += lanes.iter().map(|lane| lane.f64()).sum::<f64>();
            }
        }
    }
}

/// Adds the contractions of a part of the gradient that starts at `at` of its parameter, to partial sums: one for
/// each direction and, last, the squared norm.
#[inline(always)]
fn contract<T: Real>(lanes: &mut [[T; LANES]], directions: &[&[T]], at: usize, part: &[T]) {
    for (start, part) in part.chunks(1024).enumerate().map(|(chunk, part)| (at + chunk * 1024, part)) {
        let (squares, along) = lanes.split_last_mut().expect("one more than directions");
        for (lanes, direction) in along.iter_mut().zip(directions) {
            multiply(lanes, part, &direction[start..start + part.len()]);
        }
        multiply(squares, part, part);
    }
}

/// `lanes[l] += Σ a[i] · b[i]` over every sixteenth `i`.
#[inline(always)]
fn multiply<T: Real>(lanes: &mut [T; LANES], a: &[T], b: &[T]) {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = *lanes; // a copy, so that it stays in registers
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] = a[lane].fma(b[lane], sums[lane]);
        }
    }
    for (&a, &b) in a_rest.iter().zip(b_rest) {
        sums[0] = a.fma(b, sums[0]);
    }
    *lanes = sums;
}

/// The rows `piece` of one row's tile, a register block at a time.
fn short_row<T: Real>(
    lanes: &mut [[T; LANES]],
    directions: &[&[T]],
    x: &[T],
    dy: &[T],
    piece: Range<usize>,
    (inputs, outputs): (usize, usize),
) {
    let whole = inputs / BLOCK * BLOCK;
    for (place, output) in piece.enumerate() {
        for start in (0..whole).step_by(BLOCK) {
            let mut block = [T::of(0.0); BLOCK];
            for (x, dy) in x.chunks_exact(inputs).zip(dy.chunks_exact(outputs)) {
                let x: &[T; BLOCK] = x[start..start + BLOCK].try_into().expect("a whole block");
                let dy = dy[output];
                for column in 0..BLOCK {
                    block[column] = dy.fma(x[column], block[column]);
                }
            }
            contract(lanes, directions, place * inputs + start, &block);
        }
        for column in whole..inputs {
            let tokens = x.chunks_exact(inputs).zip(dy.chunks_exact(outputs));
            let value: T = tokens.map(|(x, dy)| dy[output] * x[column]).sum();
            contract(lanes, directions, place * inputs + column, &[value]);
        }
    }
}

/// Adds the contractions of a part of the gradient that starts at `at` of its parameter.
fn add<T: Real>(sums: &mut [f64], directions: &[&[T]], at: usize, part: &[T]) {
    for (sum, direction) in sums.iter_mut().zip(directions) {
        *sum += dot(part, &direction[at..at + part.len()]);
    }
    sums[directions.len()] += dot(part, part);
}

/// Adds the contractions of a norm's scale, whose gradient from one row is `Σ dy ⊙ x · r`.
pub(super) fn norm<T: Real>(
    sums: &mut RowSums,
    directions: &[&[T]],
    x: &[T],
    inverse_rms: &[T],
    dy: &[T],
    spans: &[Range<usize>],
) {
    let width = directions.first().map_or(x.len() / inverse_rms.len().max(1), |direction| direction.len());
    let mut gradient = vec![T::of(0.0); width];
    for (row, span) in spans.iter().enumerate() {
        gradient.fill(T::of(0.0));
        for token in span.clone() {
            let place = token * width..(token + 1) * width;
            for ((sum, &x), &dy) in gradient.iter_mut().zip(&x[place.clone()]).zip(&dy[place]) {
                *sum += dy * x * inverse_rms[token];
            }
        }
        add(sums.row_mut(row), directions, 0, &gradient);
    }
}

/// Adds the contractions of an embedding table, whose gradient from one row is the sum of `dy` over each token's
/// places. Where the head is the same table, `‖A + E‖² = ‖A‖² + ‖E‖² + 2⟨A, E⟩`, and the last term is added here.
pub(super) fn embedding<T: Real>(
    sums: &mut RowSums,
    directions: &[&[T]],
    tokens: &[u32],
    dy: &[T],
    spans: &[Range<usize>],
    width: usize,
    tied: Option<TiedHead<'_, Vec<T>>>,
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
            add(sums, directions, token * width, &gradient);
            if let Some(head) = &tied {
                let vocabulary = head.dy.len() / (head.x.len() / width);
                for place in head.spans[row].clone() {
                    let weight = head.dy[place * vocabulary + token].f64();
                    let along = dot(&head.x[place * width..(place + 1) * width], &gradient);
                    sums[directions.len()] += 2.0 * weight * along;
                }
            }
        }
    }
}
