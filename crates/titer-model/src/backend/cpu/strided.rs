//! f32 products by AVX-512 where one side is read in large strides: `x Wᵀ` and `dyᵀ x` of row-major matrices.
//!
//! faer's kernel reaches eight to nine tenths of the processor's rate where both sides lie as it likes them, and less where it has to pack a
//! transposed side or to walk the other one a page at a time. Here a block of the right side is transposed while it
//! is packed, and the left side is packed a few columns of all its rows at a time, so that no cache line is fetched twice.
//!
//! The numbers are faer's, bit for bit: every number of the result is a sum over the inner size in order, [`DEPTH`] at a time.

use std::{arch::x86_64::*, cell::RefCell, sync::LazyLock};

use faer::{Accum, MatMut, MatRef};
use titer_machine::InstructionSet;

use super::transpose::transposed;

/// Numbers of a vector.
const LANES: usize = 16;
/// Vectors of a row of a tile, at most.
const VECTORS: usize = 4;
/// Rows of a tile, at most.
const ROWS: usize = 8;
/// Inner size that is summed in registers: faer's, whose sums these are.
const DEPTH: usize = 512;
/// Vectors of a block of the right side that is packed at a time: with [`DEPTH`] 590 kB, a part of a core's second cache.
const BLOCK: usize = 18;
/// Rows of the left side that are packed at a time.
const GROUP: usize = 64;
thread_local! {
    /// The packed block of the right side and the packed rows of the left side.
    static SPACE: RefCell<[Vec<f32>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// Processors on which it has been measured (`LOG.md`, 28 and 29 November 2026); on others faer's kernel is taken for everything. The numbers are
/// the same either way.
#[derive(Clone, Copy)]
enum Measured {
    /// Sapphire Rapids.
    Intel,
    /// AMD's, with vectors of 512 bits in two halves.
    Zen4,
}

impl Measured {
    /// This processor, if it is one of them.
    fn here() -> Option<Self> {
        static HERE: LazyLock<Option<Measured>> = LazyLock::new(|| {
            let (vendor, model) = (__cpuid(0), __cpuid(1).eax);
            let family = (model >> 8 & 0xf) + (model >> 20 & 0xff);
            let is_wide = InstructionSet::detected() == InstructionSet::X86V4;
            match (is_wide, [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).concat().as_slice()) {
                (true, b"GenuineIntel") => Some(Measured::Intel),
                (true, b"AuthenticAMD") if family == 0x19 => Some(Measured::Zen4),
                _ => None,
            }
        });
        *HERE
    }

    /// Whether it is faster here to pack a right side that lies on its side, `[inner, columns]`, as this file does.
    fn packs_right(self, inner: usize, columns: usize) -> bool {
        match self {
            Self::Intel => inner * columns >= 1 << 16,
            Self::Zen4 => columns >= 768,
        }
    }

    /// Whether it is faster here to pack a left side whose numbers along the inner size are so many bytes apart; the right side is
    /// `[inner, columns]`.
    fn packs_left(self, inner: usize, columns: usize, apart: usize) -> bool {
        match self {
            Self::Intel => inner * columns >= 1 << 16 && apart >= 2048,
            // Only where all of a tile's numbers are in the same few lines of the first cache.
            Self::Zen4 => apart.is_multiple_of(4096),
        }
    }
}

/// Computes `out = a · b` or `out += a · b` where that is faster than elsewhere; says whether it has.
pub(super) fn product(mut out: MatMut<'_, f32>, accum: Accum, a: MatRef<'_, f32>, b: MatRef<'_, f32>) -> bool {
    let Some(here) = Measured::here() else { return false };
    let (inner, columns) = b.shape();
    let apart = a.col_stride().unsigned_abs() * size_of::<f32>();
    let faster = match (a.row_stride(), a.col_stride(), b.row_stride(), b.col_stride()) {
        (_, 1, 1, _) => here.packs_right(inner, columns),
        (1, _, _, 1) => here.packs_left(inner, columns, apart),
        _ => false,
    };
    if !faster || a.nrows() < LANES || out.col_stride() != 1 {
        return false;
    }
    // SAFETY: the processor has been asked.
    unsafe { compute(&mut out, accum, a, b) };
    true
}

/// A matrix in memory, with the distance from one row and from one column to the next.
#[derive(Clone, Copy)]
struct Strided {
    at: *const f32,
    row: usize,
    column: usize,
}

impl Strided {
    fn of(matrix: MatRef<'_, f32>) -> Self {
        let stride = |stride: isize| usize::try_from(stride).expect("matrices lie forwards in memory");
        Self { at: matrix.as_ptr(), row: stride(matrix.row_stride()), column: stride(matrix.col_stride()) }
    }

    /// The part that begins at this place.
    unsafe fn from(self, row: usize, column: usize) -> Self {
        // SAFETY: the caller's place is in the matrix.
        Self { at: unsafe { self.at.add(row * self.row + column * self.column) }, ..self }
    }
}

/// Some vectors of columns of the right side: which is the first, how many, and where they are packed.
#[derive(Clone, Copy, Default)]
struct Panel {
    first: usize,
    vectors: usize,
    at: usize,
}

/// The product. `b` has either of its strides 1, and `a` too.
#[target_feature(enable = "avx512f,avx512vl")]
fn compute(out: &mut MatMut<'_, f32>, accum: Accum, a: MatRef<'_, f32>, b: MatRef<'_, f32>) {
    let (rows, inner, columns) = (a.nrows(), a.ncols(), b.ncols());
    assert_eq!((out.nrows(), out.ncols(), b.nrows()), (rows, columns, inner), "shapes of a matrix product");
    assert_eq!(out.col_stride(), 1, "the result is row-major");
    let to = Strided::of(out.as_ref());
    let (a, b) = (Strided::of(a), Strided::of(b));
    let (vectors, packs) = (columns.div_ceil(LANES), a.column != 1);
    let (wide, high) = tiling(vectors, rows);
    let (panels, tiles, group) = (vectors.div_ceil(wide), rows.div_ceil(high), GROUP / high);
    SPACE.with_borrow_mut(|[right, left]| {
        right.resize(BLOCK * LANES * DEPTH, 0.0);
        left.resize(group * ROWS * DEPTH + LANES, 0.0);
        for depth in (0..inner).step_by(DEPTH) {
            let (here, add) = (DEPTH.min(inner - depth), depth > 0 || accum == Accum::Add);
            let (mut first, mut done) = (0, 0);
            while done < panels {
                let mut block = [Panel::default(); BLOCK];
                let (mut count, mut at) = (0, 0);
                while done < panels && (count + 1) * wide <= BLOCK {
                    let vectors = part(vectors, panels, done);
                    block[count] = Panel { first, vectors, at };
                    (first, done, count, at) = (first + vectors, done + 1, count + 1, at + vectors * LANES * here);
                }
                // SAFETY: places are within the matrices, whose shapes fit, and what is packed has room.
                unsafe { pack_right(right, b.from(depth, 0), columns, here, &block[..count]) };
                let mut row = 0;
                for start in (0..tiles).step_by(group) {
                    let mut heights = [0; GROUP];
                    let heights = &mut heights[..group.min(tiles - start)];
                    heights.iter_mut().enumerate().for_each(|(at, height)| *height = part(rows, tiles, start + at));
                    if packs {
                        // SAFETY: likewise.
                        unsafe { pack_left(left, a.from(row, depth), here, heights) };
                    }
                    for (place, &high) in heights.iter().enumerate() {
                        // SAFETY: likewise; a packed tile has its rows side by side.
                        let a = unsafe {
                            match packs {
                                true => Strided { at: left.as_ptr().add(place * ROWS * DEPTH), row: 1, column: high },
                                false => a.from(row, depth),
                            }
                        };
                        for panel in &block[..count] {
                            let last = columns - (panel.first + panel.vectors - 1) * LANES;
                            // SAFETY: likewise; of the last vector only what is in the matrix is read or written.
                            unsafe {
                                let to = to.at.add(row * to.row + panel.first * LANES).cast_mut();
                                let packed = right.as_ptr().add(panel.at);
                                TILES[panel.vectors - 1][high - 1](
                                    here,
                                    packed,
                                    a,
                                    to,
                                    out.row_stride() as usize,
                                    mask(last),
                                    add,
                                );
                            }
                        }
                        row += high;
                    }
                }
            }
        }
    });
}

/// The size of one of `parts` parts of `total` that differ by at most one.
fn part(total: usize, parts: usize, at: usize) -> usize {
    total / parts + usize::from(at < total % parts)
}

/// How many vectors wide and how many rows high tiles are: what takes the fewest cycles, then the fewest loads. A tile takes two products a
/// cycle, two loads a cycle, and at least the four cycles that a product takes.
fn tiling(vectors: usize, rows: usize) -> (usize, usize) {
    let parts = |total: usize, most: usize| {
        let parts = total.div_ceil(most);
        [(total / parts, parts - total % parts), (total / parts + 1, total % parts)]
    };
    let cost = |(wide, high): (usize, usize)| {
        let pairs = parts(vectors, wide).into_iter().flat_map(|wide| parts(rows, high).map(|high| (wide, high)));
        pairs.fold((0, 0), |(cycles, loads), ((wide, panels), (high, tiles))| {
            let tiles = panels * tiles;
            (cycles + tiles * (wide * high).max(wide + high).max(8), loads + tiles * (wide + high))
        })
    };
    // All leave a few of the 32 registers for what is multiplied.
    [(3, 8), (4, 6), (2, 8), (1, 8)].into_iter().min_by_key(|shape| cost(*shape)).expect("there are some")
}

/// The lanes of a vector of which so many numbers are in the matrix.
fn mask(numbers: usize) -> __mmask16 {
    if numbers >= LANES { !0 } else { (1 << numbers) - 1 }
}

/// Packs panels of the right side, `[inner, columns]`: each as `[inner, its columns]`, with zeros beyond the last column.
#[target_feature(enable = "avx512f")]
unsafe fn pack_right(to: &mut [f32], b: Strided, columns: usize, inner: usize, panels: &[Panel]) {
    let to = to.as_mut_ptr();
    // SAFETY: all of it; the caller's panels are in the matrix and in `to`.
    unsafe {
        if b.column == 1 {
            for k in 0..inner {
                let from = b.at.add(k * b.row);
                for panel in panels {
                    for vector in 0..panel.vectors {
                        let column = (panel.first + vector) * LANES;
                        let numbers = _mm512_maskz_loadu_ps(mask(columns - column), from.add(column));
                        _mm512_storeu_ps(to.add(panel.at + (k * panel.vectors + vector) * LANES), numbers);
                    }
                }
            }
            return;
        }
        for panel in panels {
            let width = panel.vectors * LANES;
            for vector in 0..panel.vectors {
                let column = (panel.first + vector) * LANES;
                let here = LANES.min(columns - column);
                for k in (0..inner).step_by(LANES) {
                    let from = b.at.add(column * b.column + k);
                    let to = to.add(panel.at + k * width + vector * LANES);
                    transpose(to, width, from, b.column, (here, LANES.min(inner - k)));
                }
            }
        }
    }
}

/// Packs tiles of rows of the left side, `[rows, inner]` with its rows side by side: each as `[inner, its rows]`.
#[target_feature(enable = "avx512f,avx512vl")]
unsafe fn pack_left(to: &mut [f32], a: Strided, inner: usize, heights: &[usize]) {
    // SAFETY: all of it; the caller's rows are in the matrix and in `to`. What is written beyond a tile's rows is written again, or not read.
    unsafe {
        for k in 0..inner {
            let mut from = a.at.add(k * a.column);
            let mut to = to.as_mut_ptr();
            for &high in heights {
                let numbers = _mm256_maskz_loadu_ps(mask(high) as __mmask8, from);
                _mm256_storeu_ps(to.add(k * high), numbers);
                (from, to) = (from.add(high), to.add(ROWS * DEPTH));
            }
        }
    }
}

/// `to[c, r] = from[r, c]` for up to 16 rows and columns; rows that are not there are zeros.
#[target_feature(enable = "avx512f")]
unsafe fn transpose(to: *mut f32, width: usize, from: *const f32, stride: usize, (rows, columns): (usize, usize)) {
    let mut lanes = [_mm512_setzero_si512(); LANES];
    for (row, lanes) in lanes.iter_mut().enumerate().take(rows) {
        // SAFETY: the row is there, and of it only what is in the matrix is read.
        *lanes = _mm512_castps_si512(unsafe { _mm512_maskz_loadu_ps(mask(columns), from.add(row * stride)) });
    }
    for (column, lanes) in transposed(lanes).into_iter().enumerate().take(columns) {
        // SAFETY: the caller's room has so many rows.
        unsafe { _mm512_storeu_ps(to.add(column * width), _mm512_castsi512_ps(lanes)) };
    }
}

/// One tile of the result, `[R, 16 V]`, from a packed panel and `R` rows of the left side.
type Tile = unsafe fn(usize, *const f32, Strided, *mut f32, usize, __mmask16, bool);

#[target_feature(enable = "avx512f")]
unsafe fn tile<const V: usize, const R: usize>(
    inner: usize,
    mut panel: *const f32,
    a: Strided,
    out: *mut f32,
    stride: usize,
    last: __mmask16,
    add: bool,
) {
    let mut sums = [[_mm512_setzero_ps(); V]; R];
    // Two places and three distances, so that no address waits for the one before it.
    let (mut upper, mut lower) = (a.at, a.at.wrapping_add(4 * a.row));
    let rows = [0, a.row, 2 * a.row, 3 * a.row];
    // SAFETY: all of it; the caller's panel, rows and tile are there.
    unsafe {
        for row in 0..R {
            for vector in 0..V {
                _mm_prefetch::<_MM_HINT_T0>(out.wrapping_add(row * stride + vector * LANES).cast());
            }
        }
        for _ in 0..inner {
            let mut numbers = [_mm512_setzero_ps(); V];
            for vector in 0..V {
                numbers[vector] = _mm512_loadu_ps(panel.add(vector * LANES));
            }
            for row in 0..R {
                let factor = _mm512_set1_ps(*if row < 4 { upper } else { lower }.add(rows[row % 4]));
                for vector in 0..V {
                    sums[row][vector] = _mm512_fmadd_ps(numbers[vector], factor, sums[row][vector]);
                }
            }
            panel = panel.add(V * LANES);
            upper = upper.add(a.column);
            lower = lower.wrapping_add(a.column);
        }
        for row in 0..R {
            for vector in 0..V {
                let to = out.add(row * stride + vector * LANES);
                let mask = if vector + 1 == V { last } else { !0 };
                let sum = sums[row][vector];
                let sum = if add { _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, to)) } else { sum };
                _mm512_mask_storeu_ps(to, mask, sum);
            }
        }
    }
}

/// Tiles by vectors and rows, each less one.
static TILES: [[Tile; ROWS]; VECTORS] = {
    macro_rules! tiles {
        ($vectors:literal) => {
            [
                tile::<$vectors, 1>,
                tile::<$vectors, 2>,
                tile::<$vectors, 3>,
                tile::<$vectors, 4>,
                tile::<$vectors, 5>,
                tile::<$vectors, 6>,
                tile::<$vectors, 7>,
                tile::<$vectors, 8>,
            ]
        };
    }
    [tiles!(1), tiles!(2), tiles!(3), tiles!(4)]
};

#[cfg(test)]
mod tests {
    use faer::{Mat, Par, linalg::matmul::matmul};
    use proptest::prelude::*;

    use super::*;

    /// A matrix of numbers that differ.
    fn numbers(rows: usize, columns: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..rows * columns).map(|_| next()).collect()
    }

    /// These numbers as a matrix that lies on its side, column after column, or not.
    fn view(numbers: &[f32], rows: usize, columns: usize, lies: bool) -> MatRef<'_, f32> {
        match lies {
            true => MatRef::from_column_major_slice(numbers, rows, columns),
            false => MatRef::from_row_major_slice(numbers, rows, columns),
        }
    }

    /// Compares the product with the one in f64, and with faer's bit for bit.
    fn check((rows, inner, columns): (usize, usize, usize), [a_lies, b_lies]: [bool; 2], accum: Accum) {
        let (a, b) = (numbers(rows, inner, 1), numbers(inner, columns, 2));
        let (a, b) = (view(&a, rows, inner, a_lies), view(&b, inner, columns, b_lies));
        let start = numbers(rows, columns, 3);
        let (mut own, mut theirs) = (start.clone(), start.clone());
        // SAFETY: the caller has asked the processor.
        unsafe { compute(&mut MatMut::from_row_major_slice_mut(&mut own, rows, columns), accum, a, b) };
        matmul(MatMut::from_row_major_slice_mut(&mut theirs, rows, columns), accum, a, b, 1.0, Par::Seq);
        let wide =
            |matrix: MatRef<'_, f32>| Mat::from_fn(matrix.nrows(), matrix.ncols(), |i, j| f64::from(matrix[(i, j)]));
        let exact = wide(a) * wide(b);
        for row in 0..rows {
            for column in 0..columns {
                let at = row * columns + column;
                let before = if accum == Accum::Add { f64::from(start[at]) } else { 0.0 };
                let error = (f64::from(own[at]) - exact[(row, column)] - before).abs();
                assert!(error < 1e-6 * (inner as f64 + 2.0), "{rows}×{inner}×{columns} at {row}, {column}: {error:e}");
                assert_eq!(own[at].to_bits(), theirs[at].to_bits(), "{rows}×{inner}×{columns} at {row}, {column}");
            }
        }
    }

    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    fn skipped() {
        eprintln!("skipped: this processor has no AVX-512");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn products_of_all_shapes_are_exact_and_faers_bit_for_bit(
            shape in (17_usize..90, 17_usize..1100, 17_usize..400), lies: [bool; 2], adds: bool,
        ) {
            if InstructionSet::detected() == InstructionSet::X86V4 {
                check(shape, lies, if adds { Accum::Add } else { Accum::Replace });
            } else {
                skipped();
            }
        }
    }

    #[test]
    fn tiles_fill_the_registers_and_no_part_is_empty() {
        // 48 numbers in 3 vectors: 8 rows. 64 in 4: 6 rows.
        assert_eq!((tiling(3, 1024), tiling(4, 1024)), ((3, 8), (4, 6)));
        for vectors in 1..40 {
            for rows in 1..40 {
                let (wide, high) = tiling(vectors, rows);
                let sizes = |total: usize, most: usize| {
                    let parts = total.div_ceil(most);
                    (0..parts).map(move |at| part(total, parts, at))
                };
                for (total, most) in [(vectors, wide), (rows, high)] {
                    assert_eq!(sizes(total, most).sum::<usize>(), total);
                    assert!(sizes(total, most).all(|size| (1..=most).contains(&size)));
                }
            }
        }
    }
}
