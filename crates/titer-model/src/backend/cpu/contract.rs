//! Per-row gradients contracted with directions, without storing one.
//!
//! The gradient of a weight from one row is the tile `G = dyᵀx`, `[outputs, inputs]`. Long rows form it with a matrix
//! product and read it once. In short rows that product is too thin to run fast, so a block of the tile is summed in
//! registers and contracted on the spot: the tile never reaches memory.

use std::ops::Range;

use faer::{Accum, MatMut, MatRef, Par, linalg::matmul::matmul};

use super::elementwise::dot;
use crate::{backend::RowSums, real::Real};

/// Columns of the tile that are summed in registers at a time.
const BLOCK: usize = 64;

/// From this many tokens on, a matrix product is faster than the register blocks.
const LONG_ROW: usize = 48;

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
    for (row, span) in spans.iter().enumerate() {
        let x = &x[span.start * inputs..span.end * inputs];
        let dy = &dy[span.start * outputs..span.end * outputs];
        let sums = sums.row_mut(row);
        if span.len() < LONG_ROW {
            short_row(sums, directions, x, dy, (inputs, outputs));
        } else {
            tile.resize(inputs * outputs, T::of(0.0));
            let dy = MatRef::from_row_major_slice(dy, span.len(), outputs);
            let x = MatRef::from_row_major_slice(x, span.len(), inputs);
            let out = MatMut::from_row_major_slice_mut(&mut tile, outputs, inputs);
            matmul(out, Accum::Replace, dy.transpose(), x, T::of(1.0), Par::Seq);
            add(sums, directions, 0, &tile);
        }
    }
}

/// Adds the contractions of a piece of the gradient that starts at `at` of its parameter.
fn add<T: Real>(sums: &mut [f64], directions: &[&[T]], at: usize, piece: &[T]) {
    for (sum, direction) in sums.iter_mut().zip(directions) {
        *sum += dot(piece, &direction[at..at + piece.len()]);
    }
    sums[directions.len()] += dot(piece, piece);
}

fn short_row<T: Real>(sums: &mut [f64], directions: &[&[T]], x: &[T], dy: &[T], (inputs, outputs): (usize, usize)) {
    let whole = inputs / BLOCK * BLOCK;
    for output in 0..outputs {
        for start in (0..whole).step_by(BLOCK) {
            let mut block = [T::of(0.0); BLOCK];
            for (x, dy) in x.chunks_exact(inputs).zip(dy.chunks_exact(outputs)) {
                let x: &[T; BLOCK] = x[start..start + BLOCK].try_into().expect("a whole block");
                for column in 0..BLOCK {
                    block[column] = dy[output].fma(x[column], block[column]);
                }
            }
            let at = output * inputs + start;
            for (sum, direction) in sums.iter_mut().zip(directions) {
                let direction: &[T; BLOCK] = direction[at..at + BLOCK].try_into().expect("a whole block");
                *sum += block_dot(&block, direction).f64();
            }
            sums[directions.len()] += block_dot(&block, &block).f64();
        }
        for column in whole..inputs {
            let at = output * inputs + column;
            let tokens = x.chunks_exact(inputs).zip(dy.chunks_exact(outputs));
            let value: T = tokens.map(|(x, dy)| dy[output] * x[column]).sum();
            add(sums, directions, at, &[value]);
        }
    }
}

/// Sixteen partial sums: vectorises. At most [`BLOCK`] terms are added in `T`, the rest in f64.
#[inline(always)]
fn block_dot<T: Real>(a: &[T; BLOCK], b: &[T; BLOCK]) -> T {
    const LANES: usize = 16;
    let mut lanes = [T::of(0.0); LANES];
    for start in (0..BLOCK).step_by(LANES) {
        for lane in 0..LANES {
            lanes[lane] = a[start + lane].fma(b[start + lane], lanes[lane]);
        }
    }
    lanes.into_iter().sum()
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

/// The head of a model whose output head is its embedding table, as the backward pass showed it.
pub(super) struct TiedHead<'a, T> {
    pub x: &'a [T],
    pub dy: &'a [T],
    pub spans: &'a [Range<usize>],
    pub vocabulary: usize,
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
    tied: Option<TiedHead<'_, T>>,
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
                for place in head.spans[row].clone() {
                    let weight = head.dy[place * head.vocabulary + token].f64();
                    let along = dot(&head.x[place * width..(place + 1) * width], &gradient);
                    sums[directions.len()] += 2.0 * weight * along;
                }
            }
        }
    }
}
