//! Rotary positions and attention, one query at a time over the few spans of keys that it reaches.
//!
//! Rows are short, so a matrix product per row and head would spend its time on calls. Instead keys and values are
//! transposed once, `[heads · width, tokens]`, and every inner loop runs along contiguous keys or a head's width.

use titer_machine::Fused;

use super::elementwise::{LANES, add_scaled, multiply, softcap};
use crate::{backend::Heads, packed::Reach, real::Real};

#[inline(always)]
pub(super) fn rope<T: Real>(x: &mut [T], table: &[T], positions: &[u32], head_width: usize, inverse: bool) {
    if positions.is_empty() {
        return;
    }
    let half = head_width / 2;
    let row_width = x.len() / positions.len();
    for (row, &position) in x.chunks_exact_mut(row_width).zip(positions) {
        let (cos, sin) = table[position as usize * head_width..][..head_width].split_at(half);
        for head in row.chunks_exact_mut(head_width) {
            let (low, high) = head.split_at_mut(half);
            for ((low, high), (&cos, &sin)) in low.iter_mut().zip(high).zip(cos.iter().zip(sin)) {
                let sin = if inverse { -sin } else { sin };
                (*low, *high) = (*low * cos - *high * sin, *high * cos + *low * sin);
            }
        }
    }
}

/// The spans of keys of one query, as `(first key, where its weights begin, length)`.
#[inline(always)]
fn ranges(reach: &Reach) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
    reach.spans().iter().scan(0, |begin, span| {
        let (first, len) = (span.start as usize, span.len as usize);
        *begin += len;
        Some((first, *begin - len, len))
    })
}

/// `[tokens, width] → [width, tokens]`, each row with room for lanes behind it.
#[inline(always)]
fn transpose<T: Real>(x: &[T], width: usize) -> Columns<T> {
    let tokens = x.len() / width;
    let stride = tokens + LANES;
    let mut numbers = vec![T::of(0.0); width * stride];
    let tiles = (tokens / LANES * LANES, width / LANES * LANES);
    for token in (0..tiles.0).step_by(LANES) {
        for column in (0..tiles.1).step_by(LANES) {
            let row =
                |at: usize| -> &[T; LANES] { x[(token + at) * width + column..].first_chunk().expect("a whole tile") };
            let tile: [&[T; LANES]; LANES] = std::array::from_fn(row);
            for at in 0..LANES {
                let mut out = [T::of(0.0); LANES];
                for lane in 0..LANES {
                    out[lane] = tile[lane][at];
                }
                numbers[(column + at) * stride + token..][..LANES].copy_from_slice(&out);
            }
        }
    }
    for token in 0..tokens {
        for column in if token < tiles.0 { tiles.1 } else { 0 }..width {
            numbers[column * stride + token] = x[token * width + column];
        }
    }
    Columns { numbers, stride }
}

/// A transposed matrix.
struct Columns<T> {
    numbers: Vec<T>,
    /// From one row to the next.
    stride: usize,
}

/// `out[j] = Σ_d query[d] · columns[first row + d, first + j]`, four rows at a time; `out` is whole lanes.
#[inline(always)]
fn dot_columns<T: Real>(
    fused: Fused,
    out: &mut [T],
    query: &[T],
    columns: &Columns<T>,
    first_row: usize,
    first: usize,
) {
    let (quads, rest) = query.as_chunks::<4>();
    let lanes = |row: usize, at: usize| -> &[T; LANES] {
        columns.numbers[(first_row + row) * columns.stride + at..]
            .first_chunk()
            .expect("rows have room for lanes behind them")
    };
    for (block, out) in out.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        let at = first + block * LANES;
        let mut sums = [T::of(0.0); LANES];
        for (row, quad) in quads.iter().enumerate() {
            let (a, b, c, d) =
                (lanes(row * 4, at), lanes(row * 4 + 1, at), lanes(row * 4 + 2, at), lanes(row * 4 + 3, at));
            for lane in 0..LANES {
                let low = quad[0].fma(fused, a[lane], quad[1] * b[lane]);
                let high = quad[2].fma(fused, c[lane], quad[3] * d[lane]);
                sums[lane] += low + high;
            }
        }
        for (row, &value) in rest.iter().enumerate() {
            let column = lanes(quads.len() * 4 + row, at);
            for lane in 0..LANES {
                sums[lane] = value.fma(fused, column[lane], sums[lane]);
            }
        }
        *out = sums;
    }
}

/// `out = Σ_j weights[j] · x[j]` over the keys of a query, whose rows of `x` are `width` apart.
#[inline(always)]
fn weigh<T: Real>(fused: Fused, out: &mut [T], weights: &[T], x: &[T], width: usize, column: usize, reach: &Reach) {
    let (blocks, rest) = out.as_chunks_mut::<LANES>();
    let past = column + blocks.len() * LANES;
    // Each number is a chain of sums, and four of them side by side take as long as one.
    let (quads, single) = blocks.as_chunks_mut::<4>();
    let quads_end = column + quads.len() * 4 * LANES;
    for (at, quad) in quads.iter_mut().enumerate() {
        *quad = weighed(fused, weights, x, width, column + at * 4 * LANES, reach);
    }
    for (at, block) in single.iter_mut().enumerate() {
        [*block] = weighed(fused, weights, x, width, quads_end + at * LANES, reach);
    }
    rest.fill(T::of(0.0));
    for (first, begin, len) in ranges(reach) {
        let rows = x[first * width..][..len * width].chunks_exact(width);
        for (row, &weight) in rows.zip(&weights[begin..begin + len]) {
            add_scaled(fused, rest, weight, &row[past..][..rest.len()]);
        }
    }
}

/// `N` blocks of lanes of that sum, from `column` on.
#[inline(always)]
fn weighed<T: Real, const N: usize>(
    fused: Fused,
    weights: &[T],
    x: &[T],
    width: usize,
    column: usize,
    reach: &Reach,
) -> [[T; LANES]; N] {
    let mut sums = [[T::of(0.0); LANES]; N];
    for (first, begin, len) in ranges(reach) {
        let rows = x[first * width..][..len * width].chunks_exact(width);
        for (row, &weight) in rows.zip(&weights[begin..begin + len]) {
            let row = row[column..].as_chunks::<LANES>().0.first_chunk::<N>().expect("a head's numbers stand together");
            for block in 0..N {
                for lane in 0..LANES {
                    sums[block][lane] = weight.fma(fused, row[block][lane], sums[block][lane]);
                }
            }
        }
    }
    sums
}

/// Adds `weights[j] · x` to row `j` of `out` over the keys of a query, the rows `width` apart.
#[inline(always)]
fn spread<T: Real>(fused: Fused, out: &mut [T], weights: &[T], x: &[T], width: usize, column: usize, reach: &Reach) {
    for (first, begin, len) in ranges(reach) {
        let rows = out[first * width..][..len * width].chunks_exact_mut(width);
        for (row, &weight) in rows.zip(&weights[begin..begin + len]) {
            add_scaled(fused, &mut row[column..][..x.len()], weight, x);
        }
    }
}

/// The larger number of each place, the first where the second is none.
#[inline(always)]
fn larger<T: Real, const N: usize>(mut one: [T; N], other: [T; N]) -> [T; N] {
    for lane in 0..N {
        one[lane] = if other[lane] > one[lane] { other[lane] } else { one[lane] };
    }
    one
}

/// What one query does with its keys in every head: a row of whole lanes a head, so that loops have no remainder, and heads go on side
/// by side where a sum has to be taken in order.
struct PerHead<T> {
    rows: Vec<T>,
    stride: usize,
    keys: usize,
}

impl<T: Real> PerHead<T> {
    #[inline(always)]
    fn new(heads: usize, reach: &[Reach]) -> Self {
        let most = reach.iter().map(Reach::keys).max().unwrap_or(0);
        let rows = heads.next_multiple_of(4) * (most.next_multiple_of(LANES) + LANES);
        Self { rows: vec![T::of(0.0); rows], stride: LANES, keys: 0 }
    }

    /// Makes room for these keys of each head. A span of them may write lanes behind the last one.
    #[inline(always)]
    fn resize(&mut self, keys: usize) {
        (self.stride, self.keys) = (keys.next_multiple_of(LANES) + LANES, keys);
    }

    #[inline(always)]
    fn head(&self, head: usize) -> &[T] {
        &self.rows[head * self.stride..][..self.keys]
    }

    #[inline(always)]
    fn head_mut(&mut self, head: usize) -> &mut [T] {
        &mut self.rows[head * self.stride..][..self.keys]
    }

    /// The lanes that hold a head's keys.
    #[inline(always)]
    fn lanes_mut(&mut self, head: usize) -> &mut [[T; LANES]] {
        self.rows[head * self.stride..][..self.keys.next_multiple_of(LANES)].as_chunks_mut().0
    }

    /// `query` with every key of a head, which stand in `columns`.
    #[inline(always)]
    fn dot(&mut self, fused: Fused, head: usize, query: &[T], columns: &Columns<T>, first_row: usize, reach: &Reach) {
        for (first, begin, len) in ranges(reach) {
            let out = &mut self.rows[head * self.stride + begin..][..len.next_multiple_of(LANES)];
            dot_columns(fused, out, query, columns, first_row, first);
        }
    }

    /// `e^(score − largest)` in place of the scores of a head.
    #[inline(always)]
    fn exponentials(&mut self, fused: Fused, head: usize) {
        let keys = self.keys;
        let lanes = self.lanes_mut(head);
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

    /// `Σ_j row[j] · factors[j]` of four heads from `head` on, each in the order of the keys; without factors they are ones.
    #[inline(always)]
    fn sums_of_four(&self, head: usize, factors: Option<&Self>) -> [T; 4] {
        let row = |offset: usize| self.head(head + offset);
        let rows = [row(0), row(1), row(2), row(3)];
        let mut sums = [T::of(0.0); 4];
        match factors {
            None => {
                for j in 0..self.keys {
                    for one in 0..4 {
                        sums[one] += rows[one][j];
                    }
                }
            }
            Some(factors) => {
                let factors = [0, 1, 2, 3].map(|offset| factors.head(head + offset));
                for j in 0..self.keys {
                    for one in 0..4 {
                        sums[one] += rows[one][j] * factors[one][j];
                    }
                }
            }
        }
        sums
    }
}

#[inline(always)]
pub(super) fn forward<T: Real>(
    fused: Fused,
    out: &mut [T],
    weights: &mut [T],
    q: &[T],
    k: &[T],
    v: &[T],
    reach: &[Reach],
    heads: Heads,
) {
    let (query_width, key_width) = (heads.queries * heads.width, heads.keys * heads.width);
    let columns = transpose(k, key_width);
    let scale = T::of(heads.scale);
    let kept = if heads.softcap.is_some() { 2 } else { 1 };
    let mut scaled = vec![T::of(0.0); heads.width];
    let mut scores = PerHead::new(heads.queries, reach);
    let mut weights = weights;
    for (at, reach) in reach.iter().enumerate() {
        let keys = reach.keys();
        scores.resize(keys);
        let (weights_here, rest) = weights.split_at_mut(kept * heads.queries * keys);
        weights = rest;
        let of_head = |head: usize| at * query_width + head * heads.width;
        for head in 0..heads.queries {
            for (to, &from) in scaled.iter_mut().zip(&q[of_head(head)..]) {
                *to = from * scale;
            }
            scores.dot(fused, head, &scaled, &columns, key_column(head, heads), reach);
            if let Some(cap) = heads.softcap {
                let slopes = &mut weights_here[(kept * head + 1) * keys..][..keys];
                softcap(scores.head_mut(head), slopes, T::of(cap));
            }
            scores.exponentials(fused, head);
        }
        for head in (0..heads.queries).step_by(4) {
            let sums = scores.sums_of_four(head, None);
            for (head, sum) in (head..heads.queries).zip(sums) {
                let inverse = T::of(1.0) / sum;
                let weights = &mut weights_here[kept * head * keys..][..keys];
                for (to, &from) in weights.iter_mut().zip(scores.head(head)) {
                    *to = from * inverse;
                }
                let out = &mut out[of_head(head)..][..heads.width];
                weigh(fused, out, weights, v, key_width, key_column(head, heads), reach);
            }
        }
    }
}

/// Where the keys and values of a query head begin among the numbers of a token.
#[inline(always)]
fn key_column(head: usize, heads: Heads) -> usize {
    head * heads.keys / heads.queries * heads.width
}

pub(super) struct Inputs<'a, T> {
    pub q: &'a [T],
    pub k: &'a [T],
    pub v: &'a [T],
}

pub(super) struct Gradients<'a, T> {
    pub dq: &'a mut [T],
    pub dk: &'a mut [T],
    pub dv: &'a mut [T],
}

#[inline(always)]
pub(super) fn backward<T: Real>(
    fused: Fused,
    Gradients { dq, dk, dv }: Gradients<'_, T>,
    dout: &[T],
    weights: &[T],
    Inputs { q, k, v }: Inputs<'_, T>,
    reach: &[Reach],
    heads: Heads,
) {
    let (query_width, key_width) = (heads.queries * heads.width, heads.keys * heads.width);
    let columns = transpose(v, key_width);
    let scale = T::of(heads.scale);
    let kept = if heads.softcap.is_some() { 2 } else { 1 };
    let [mut dscores, mut probs] = [(); 2].map(|()| PerHead::new(heads.queries, reach));
    let mut weights = weights;
    for (at, reach) in reach.iter().enumerate() {
        let keys = reach.keys();
        dscores.resize(keys);
        probs.resize(keys);
        let (weights_here, rest) = weights.split_at(kept * heads.queries * keys);
        weights = rest;
        let of_head = |head: usize| at * query_width + head * heads.width;
        for head in 0..heads.queries {
            probs.head_mut(head).copy_from_slice(&weights_here[kept * head * keys..][..keys]);
            let dout = &dout[of_head(head)..][..heads.width];
            dscores.dot(fused, head, dout, &columns, key_column(head, heads), reach);
        }
        for head in (0..heads.queries).step_by(4) {
            let means = dscores.sums_of_four(head, Some(&probs));
            for (head, mean) in (head..heads.queries).zip(means) {
                for (block, probs) in dscores.lanes_mut(head).iter_mut().zip(&*probs.lanes_mut(head)) {
                    for lane in 0..LANES {
                        block[lane] = (block[lane] - mean) * probs[lane] * scale;
                    }
                }
                if heads.softcap.is_some() {
                    multiply(dscores.head_mut(head), &weights_here[(kept * head + 1) * keys..][..keys]);
                }
                let key_column = key_column(head, heads);
                let (query, dout) = (&q[of_head(head)..][..heads.width], &dout[of_head(head)..][..heads.width]);
                let (probs, dscores) = (probs.head(head), dscores.head(head));
                weigh(fused, &mut dq[of_head(head)..][..heads.width], dscores, k, key_width, key_column, reach);
                spread(fused, dk, dscores, query, key_width, key_column, reach);
                spread(fused, dv, probs, dout, key_width, key_column, reach);
            }
        }
    }
}
