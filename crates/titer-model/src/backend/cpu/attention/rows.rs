//! What queries do with their keys before these are summed: scores, exponentials, sums.

use titer_machine::Fused;

use super::{
    columns::Columns,
    tile::{TILE, Tile, ranges},
};
use crate::{backend::cpu::elementwise::LANES, packed::Reach, real::Real};

/// A row of whole lanes for each query of each head of a tile, `head · slots + slot`, so that loops have no remainder, and rows go on side
/// by side where a sum has to be taken in order.
pub(super) struct Rows<T> {
    numbers: Vec<T>,
    zeros: Vec<T>,
    stride: usize,
}

impl<T: Real> Rows<T> {
    #[inline(always)]
    pub(super) fn new(heads: usize, reach: &[Reach]) -> Self {
        let most = reach.iter().map(Reach::keys).max().unwrap_or(0);
        let rows = heads.next_multiple_of(4) * TILE;
        let zeros = |count: usize| vec![T::of(0.0); count];
        Self { numbers: zeros(rows * stride_of(most)), zeros: zeros(most), stride: stride_of(0) }
    }

    /// Makes room for the keys of a tile.
    #[inline(always)]
    pub(super) fn resize(&mut self, tile: &Tile) {
        self.stride = stride_of(tile.keys[TILE - 1]);
    }

    #[inline(always)]
    pub(super) fn row(&self, row: usize, keys: usize) -> &[T] {
        &self.numbers[row * self.stride..][..keys]
    }

    /// A row of nothing.
    #[inline(always)]
    pub(super) fn zeros(&self, keys: usize) -> &[T] {
        &self.zeros[..keys]
    }

    #[inline(always)]
    pub(super) fn row_mut(&mut self, row: usize, keys: usize) -> &mut [T] {
        &mut self.numbers[row * self.stride..][..keys]
    }

    /// The first keys of four rows.
    #[inline(always)]
    fn four(&self, row: usize, keys: usize) -> [&[T]; 4] {
        [self.row(row, keys), self.row(row + 1, keys), self.row(row + 2, keys), self.row(row + 3, keys)]
    }

    /// The lanes that hold a row's keys.
    #[inline(always)]
    pub(super) fn lanes_mut(&mut self, row: usize, keys: usize) -> &mut [[T; LANES]] {
        self.numbers[row * self.stride..][..keys.next_multiple_of(LANES)].as_chunks_mut().0
    }

    /// `rows[row + slot][j] = Σ_d queries[slot][d] · columns[first row + d, j]`, four `d` at a time. What stands behind the keys that the
    /// query in a slot reaches has no meaning.
    #[inline(always)]
    pub(super) fn dot<const Q: usize>(
        &mut self,
        fused: Fused,
        row: usize,
        queries: [&[T]; Q],
        columns: &Columns<T>,
        first_row: usize,
        reach: &Reach,
    ) {
        let lanes = |row: usize, at: usize| -> &[T; LANES] {
            columns.numbers[(first_row + row) * columns.stride + at..]
                .first_chunk()
                .expect("rows have room for lanes behind them")
        };
        let width = queries[0].len();
        let past = width / 4 * 4;
        for (first, begin, len) in ranges(reach) {
            for block in (0..len).step_by(LANES) {
                let at = first + block;
                let mut sums = [[T::of(0.0); LANES]; Q];
                for d in (0..past).step_by(4) {
                    let keys = [lanes(d, at), lanes(d + 1, at), lanes(d + 2, at), lanes(d + 3, at)];
                    for slot in 0..Q {
                        let query: &[T; 4] = queries[slot][d..].first_chunk().expect("four of the width");
                        let mut sum = sums[slot];
                        for lane in 0..LANES {
                            let low = query[0].fma(fused, keys[0][lane], query[1] * keys[1][lane]);
                            let high = query[2].fma(fused, keys[2][lane], query[3] * keys[3][lane]);
                            sum[lane] += low + high;
                        }
                        sums[slot] = sum;
                    }
                }
                for d in past..width {
                    let keys = lanes(d, at);
                    for slot in 0..Q {
                        let mut sum = sums[slot];
                        for lane in 0..LANES {
                            sum[lane] = queries[slot][d].fma(fused, keys[lane], sum[lane]);
                        }
                        sums[slot] = sum;
                    }
                }
                for slot in 0..Q {
                    self.numbers[(row + slot) * self.stride + begin + block..][..LANES].copy_from_slice(&sums[slot]);
                }
            }
        }
    }

    /// `e^(score − largest)` in place of the scores of a row.
    #[inline(always)]
    pub(super) fn exponentials(&mut self, fused: Fused, row: usize, keys: usize) {
        let lanes = self.lanes_mut(row, keys);
        lanes.as_flattened_mut()[keys..].fill(T::min_value());
        let mut tops = [T::min_value(); LANES];
        for &block in &*lanes {
            tops = larger(tops, block);
        }
        let [low, high] = *tops.as_chunks::<{ LANES / 2 }>().0 else { unreachable!("two halves") };
        let halves = larger(low, high);
        let [low, high] = *halves.as_chunks::<{ LANES / 4 }>().0 else { unreachable!("two halves") };
        let top = larger(low, high).into_iter().fold(T::min_value(), |top, one| if one > top { one } else { top });
        for block in lanes {
            let mut powers = *block;
            for lane in 0..LANES {
                powers[lane] = (powers[lane] - top).exponential(fused);
            }
            *block = powers;
        }
    }

    /// `Σ_j row[j] · factors[j]` of four rows from `row` on, each over its own keys, in their order; without factors they are ones.
    #[inline(always)]
    pub(super) fn sums_of_four(&self, row: usize, keys: [usize; 4], factors: Option<&Self>) -> [T; 4] {
        // Side by side as far as all of them go: each is a chain of sums, and four of them take as long as one.
        let common = keys[0].min(keys[1]).min(keys[2]).min(keys[3]);
        let (rows, mut sums) = (self.four(row, common), [T::of(0.0); 4]);
        match factors {
            None => {
                for j in 0..common {
                    for one in 0..4 {
                        sums[one] += rows[one][j];
                    }
                }
            }
            Some(factors) => {
                let factors = factors.four(row, common);
                for j in 0..common {
                    for one in 0..4 {
                        sums[one] += rows[one][j] * factors[one][j];
                    }
                }
            }
        }
        for one in 0..4 {
            for j in common..keys[one] {
                let number = self.row(row + one, keys[one])[j];
                sums[one] += factors.map_or(number, |factors| number * factors.row(row + one, keys[one])[j]);
            }
        }
        sums
    }
}

/// Room for whole lanes, and for those that a span writes behind its last key.
fn stride_of(keys: usize) -> usize {
    keys.next_multiple_of(LANES) + LANES
}

/// The larger number of each place, the first where the second is none.
#[inline(always)]
fn larger<T: Real, const N: usize>(mut one: [T; N], other: [T; N]) -> [T; N] {
    for lane in 0..N {
        one[lane] = if other[lane] > one[lane] { other[lane] } else { one[lane] };
    }
    one
}
