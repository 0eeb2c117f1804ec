//! Log-probabilities of target words under a table of words that stays in its file, in one pass over the table.
//!
//! Neither logits nor a converted table are ever whole in memory: a tile of words is converted, gives its logits to the running
//! sum of exponentials and, while it is at hand, its share of the mean word, which is what the gradient needs. So a
//! vocabulary of any size costs two products and no memory. (The running sum is that of arXiv 1805.02867.)

use std::{borrow::Cow, ops::Range};

use faer::{Accum, MatMut, MatRef};
use titer_machine::{Bf16Instructions, Fused};

use super::{elementwise, product::product, stored};
use crate::{backend::Matrix, real::Real, stored::Stored};

/// Words whose logits are at hand at a time.
const WORDS: usize = 256;

/// Numbers that are added up side by side.
const LANES: usize = 16;

/// `log p(words[i])` at row `rows[i]` of `x` for every `i`; the softmax is that of `cap(x Wᵀ)` with the table `W`. Where there
/// is a `pull`, it becomes the gradient of each at its row of `x`, `slope · W_word − Σ_v p_v · slope_v · W_v`. By instructions for
/// `bf16`, `x` is rounded first and the `p_v` where they meet `W`.
#[inline(always)]
pub(super) fn target_log_probs<T: Real>(
    fused: Fused,
    bf16: Option<Bf16Instructions>,
    mut pull: Option<&mut Vec<T>>,
    x: &[T],
    table: Matrix<'_, Stored>,
    (rows, words): (&[u32], &[u32]),
    softcap: Option<T>,
) -> Vec<T> {
    let (vocabulary, width) = (table.rows, table.columns);
    let count = x.len() / width;
    let zero = T::of(0.0);
    let (mut tops, mut sums) = (vec![T::min_value(); count], vec![0.0; count]);
    let mut mean = vec![zero; if pull.is_some() { x.len() } else { 0 }];
    let (mut space, mut logits, mut slopes) = (Vec::new(), Vec::new(), Vec::new());
    let x = if bf16.is_some() { Cow::Owned(stored::rounded(x)) } else { Cow::Borrowed(x) };
    for first in (0..vocabulary).step_by(WORDS) {
        let here = WORDS.min(vocabulary - first);
        let numbers = first * width..(first + here) * width;
        let tile = Tile::of(bf16, &mut space, table.data, numbers, width);
        logits.resize(count * here, zero);
        tile.logits(&mut logits, &x);
        if let Some(cap) = softcap {
            slopes.resize(logits.len(), zero);
            elementwise::softcap(&mut logits, &mut slopes, cap);
        }
        for (row, logits) in logits.chunks_exact_mut(here).enumerate() {
            let top = logits.iter().fold(tops[row], |top, &logit| if logit > top { logit } else { top });
            if top > tops[row] {
                let shrink = (tops[row] - top).exponential(fused);
                sums[row] *= shrink.f64();
                mean.chunks_exact_mut(width).skip(row).take(1).flatten().for_each(|mean| *mean *= shrink);
                tops[row] = top;
            }
            for logit in logits.iter_mut() {
                *logit = (*logit - top).exponential(fused);
            }
            sums[row] += sum(logits);
        }
        if pull.is_some() {
            if softcap.is_some() {
                elementwise::multiply(&mut logits, &slopes);
            }
            tile.add_mean(&mut mean, &logits);
        }
    }
    let mut word = vec![zero; width];
    if let Some(pull) = pull.as_deref_mut() {
        pull.resize(rows.len() * width, zero);
    }
    let mut log_probs = Vec::with_capacity(rows.len());
    for (at, (&row, &id)) in rows.iter().zip(words).enumerate() {
        let (row, start) = (row as usize, id as usize * width);
        table.data.decode(start..start + width, &mut word);
        let (mut logit, mut slope) =
            ([T::of(elementwise::dot(fused, &x[row * width..(row + 1) * width], &word))], [T::of(1.0)]);
        if let Some(cap) = softcap {
            elementwise::softcap(&mut logit, &mut slope, cap);
        }
        log_probs.push(logit[0] - tops[row] - T::of(sums[row].ln()));
        if let Some(pull) = pull.as_deref_mut() {
            let (share, mean) = (T::of(sums[row].recip()), &mean[row * width..(row + 1) * width]);
            for ((pull, &word), &mean) in pull[at * width..(at + 1) * width].iter_mut().zip(&word).zip(mean) {
                *pull = slope[0] * word - share * mean;
            }
        }
    }
    log_probs
}

/// Some words of the table.
enum Tile<'a, T> {
    /// In memory, `[words, width]`.
    Converted(MatRef<'a, T>),
    /// As they lie in their file.
    Bf16(Bf16Instructions, Stored, usize),
}

impl<'a, T: Real> Tile<'a, T> {
    /// The words whose numbers these are, converted into `space` where they must be.
    #[inline(always)]
    fn of(
        bf16: Option<Bf16Instructions>,
        space: &'a mut Vec<T>,
        table: &'a Stored,
        numbers: Range<usize>,
        width: usize,
    ) -> Self {
        if let Some(instructions) = bf16 {
            return Self::Bf16(instructions, table.part(numbers), width);
        }
        let words = numbers.len() / width;
        let tile = match table.in_place::<T>() {
            Some(all) => &all[numbers],
            None => {
                space.resize(numbers.len(), T::of(0.0));
                table.decode(numbers, space);
                space
            }
        };
        Self::Converted(MatRef::from_row_major_slice(tile, words, width))
    }

    /// `logits = x Wᵀ`
    #[inline(always)]
    fn logits(&self, logits: &mut [T], x: &[T]) {
        match self {
            Self::Converted(tile) => {
                let (words, width) = tile.shape();
                let count = x.len() / width;
                let out = MatMut::from_row_major_slice_mut(logits, count, words);
                product(out, Accum::Replace, MatRef::from_row_major_slice(x, count, width), tile.transpose());
            }
            Self::Bf16(instructions, words, width) => {
                let tile = Matrix::new(words, words.len() / width, *width).t();
                stored::matmul_bf16(*instructions, logits, Accum::Replace, x, &tile);
            }
        }
    }

    /// `mean += shares W`
    #[inline(always)]
    fn add_mean(&self, mean: &mut [T], shares: &[T]) {
        match self {
            Self::Converted(tile) => {
                let (words, width) = tile.shape();
                let count = mean.len() / width;
                let out = MatMut::from_row_major_slice_mut(mean, count, width);
                product(out, Accum::Add, MatRef::from_row_major_slice(shares, count, words), *tile);
            }
            Self::Bf16(instructions, words, width) => {
                let tile = Matrix::new(words, words.len() / width, *width);
                stored::matmul_bf16(*instructions, mean, Accum::Add, shares, &tile);
            }
        }
    }
}

#[inline(always)]
fn sum<T: Real>(numbers: &[T]) -> f64 {
    let (blocks, rest) = numbers.as_chunks::<LANES>();
    let mut lanes = [T::of(0.0); LANES];
    for block in blocks {
        for lane in 0..LANES {
            lanes[lane] += block[lane];
        }
    }
    lanes.iter().chain(rest).map(|lane| lane.f64()).sum()
}
