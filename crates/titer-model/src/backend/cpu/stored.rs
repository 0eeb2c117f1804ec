//! Matrix products and look-ups with weights that stay in their file.
//!
//! f32 numbers are read where they lie. Others are converted a tile at a time into space that stays in a core's cache while
//! the product uses it, so that they are never whole in memory in another type. Or bf16 numbers are multiplied as they are, where that
//! is asked for.

use faer::{Accum, MatMut, MatRef};
use half::bf16;
use titer_machine::Bf16Instructions;

use super::product::product;
use crate::{
    backend::Matrix,
    real::Real,
    stored::{Dtype, Stored},
};

/// Rows of a weight that are converted at a time.
const ROWS: usize = 256;

/// Columns of a weight that are converted at a time.
const COLUMNS: usize = 1024;

/// A tile of a weight, converted into `space`.
#[inline(always)]
pub(super) fn tile<T: Real>(
    space: &mut Vec<T>,
    weight: &Matrix<'_, Stored>,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
) {
    let width = columns.len();
    space.resize(rows.len() * width, T::of(0.0));
    for (row, space) in rows.zip(space.chunks_exact_mut(width)) {
        weight.data.decode(row * weight.columns + columns.start..row * weight.columns + columns.end, space);
    }
}

/// `out = a · w` or `out += a · w`, all row-major.
#[inline(always)]
pub(super) fn matmul<T: Real>(out: &mut [T], accum: Accum, a: MatRef<'_, T>, weight: Matrix<'_, Stored>) {
    let (inner, outputs) = weight.shape();
    let mut out = MatMut::from_row_major_slice_mut(out, a.nrows(), outputs);
    assert_eq!(a.ncols(), inner, "inner sizes of a matrix product");
    if let Some(numbers) = weight.data.in_place::<T>() {
        let stored = MatRef::from_row_major_slice(numbers, weight.rows, weight.columns);
        let stored = if weight.transposed { stored.transpose() } else { stored };
        return product(out, accum, a, stored);
    }
    let mut space = Vec::<T>::new();
    for row in (0..weight.rows).step_by(ROWS) {
        for column in (0..weight.columns).step_by(COLUMNS) {
            let (rows, columns) = (ROWS.min(weight.rows - row), COLUMNS.min(weight.columns - column));
            tile(&mut space, &weight, row..row + rows, column..column + columns);
            let tile = MatRef::from_row_major_slice(&space, rows, columns);
            // Of the inner size, the first part replaces what is there and the others are added.
            let ((inner, first), (output, tile)) = if weight.transposed {
                (((column, columns), column == 0), ((row, rows), tile.transpose()))
            } else {
                (((row, rows), row == 0), ((column, columns), tile))
            };
            let accum = if first { accum } else { Accum::Add };
            let out = out.as_mut().subcols_mut(output.0, output.1);
            product(out, accum, a.subcols(inner.0, inner.1), tile);
        }
    }
}

/// The instructions that multiply this weight as it is with activations rounded to bf16, where that is asked for: both are
/// then bf16.
pub(super) fn in_bf16<T: Real>(wanted: Option<Bf16Instructions>, weight: &Stored) -> Option<Bf16Instructions> {
    wanted.filter(|_| weight.dtype() == Dtype::Bf16 && T::single(&[]).is_some())
}

/// `out = a · w` or `out += a · w` by instructions for bf16, all row-major.
pub(super) fn matmul_bf16<T: Real>(
    instructions: Bf16Instructions,
    out: &mut [T],
    accum: Accum,
    a: &[T],
    weight: &Matrix<'_, Stored>,
) {
    let (out, a) = (T::single_mut(out).expect("f32 sums"), T::single(a).expect("f32 activations"));
    #[cfg(target_arch = "x86_64")]
    super::bf16::product(instructions, out, accum, a, weight);
    #[cfg(not(target_arch = "x86_64"))]
    unreachable!("{instructions:?} for {} += {} · {weight:?}, {accum:?}", out.len(), a.len());
}

/// Activations to the nearest bf16, as such products take them.
pub(super) fn rounded<T: Real>(activations: &[T]) -> Vec<T> {
    let nearest = |number: &T| T::of(bf16::from_f64(number.f64()).to_f64());
    activations.iter().map(nearest).collect()
}

/// `out[i] = table[ids[i]]`
#[inline(always)]
pub(super) fn gather<T: Real>(out: &mut [T], table: &Stored, ids: &[u32], width: usize) {
    for (row, &id) in out.chunks_exact_mut(width).zip(ids) {
        let start = id as usize * width;
        table.decode(start..start + width, row);
    }
}
