//! The product of activations with a weight that its file holds as bf16.
//!
//! Weights are read from their file and packed as many at a time as stay in a core's second cache; all tokens of a group, packed before,
//! meet them there. `y = x Wᵀ` is computed as `yᵀ = W xᵀ`: rows of `W` then need no transposing, which would cost more than
//! transposing the sums. Every number of the result is a sum over the inner size in one order, [`DEPTH`] at a time, whatever the other
//! rows are.

use std::cell::RefCell;

use faer::Accum;
use titer_machine::Bf16Instructions;

use super::{
    amx, avx512,
    pack::{self, Pack, Rows},
    place::{self, Place, Put},
    tile::{INNER, Multiply, SIDE, Sums, Tile},
};
use crate::{
    backend::Matrix,
    stored::{Dtype, Stored},
};

/// Inner size that is summed in registers.
const DEPTH: usize = 2048;
/// Tokens that are packed at a time: with [`DEPTH`] 2 MB at most.
const TOKENS: usize = 512;
/// Tiles of weights that are packed at a time, about: 256 kB.
const WEIGHTS: usize = 256;

thread_local! {
    /// Packed activations, and packed weights.
    static SPACE: RefCell<[Vec<Tile>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// `out = x · w` or `out += x · w`, row-major; `x` is rounded to bf16, to the nearest.
pub(in super::super) fn product(
    instructions: Bf16Instructions,
    out: &mut [f32],
    accum: Accum,
    x: &[f32],
    weight: &Matrix<'_, Stored>,
) {
    assert!(
        instructions.is_available() && weight.data.dtype() == Dtype::Bf16,
        "bf16 weights, and what multiplies them"
    );
    let (inner, outputs) = weight.shape();
    let tokens = x.len() / inner;
    assert_eq!((x.len(), out.len()), (tokens * inner, tokens * outputs), "shapes of a matrix product");
    assert_eq!(weight.data.len(), inner * outputs, "shape of a weight");
    let _registers = match instructions {
        // SAFETY: it is available.
        Bf16Instructions::Amx => Some(unsafe { amx::InUse::begin() }),
        Bf16Instructions::Avx512 => None,
    };
    let work = Work {
        multiply: match instructions {
            Bf16Instructions::Amx => amx::multiply,
            Bf16Instructions::Avx512 => avx512::multiply,
        },
        x: Rows::new(x.as_ptr(), inner),
        weight: Rows::new(weight.data.bytes().as_ptr().cast(), weight.columns),
        transposed: weight.transposed,
        out: out.as_mut_ptr(),
        outputs,
    };
    SPACE.with_borrow_mut(|[activations, weights]| {
        for first in (0..tokens).step_by(TOKENS) {
            for start in (0..inner).step_by(DEPTH) {
                let group = Group { tokens: first..tokens.min(first + TOKENS), inner: start..inner.min(start + DEPTH) };
                // SAFETY: it is available, and the group is within the matrices, whose shapes fit.
                unsafe { work.group(group, start > 0 || accum == Accum::Add, activations, weights) };
            }
        }
    });
}

/// Some tokens and a part of the inner size.
struct Group {
    tokens: std::ops::Range<usize>,
    inner: std::ops::Range<usize>,
}

/// One product.
struct Work {
    multiply: Multiply,
    /// `[tokens, inner]`
    x: Rows<f32>,
    /// `[outputs, inner]` where it is transposed, else `[inner, outputs]`.
    weight: Rows<u16>,
    transposed: bool,
    /// `[tokens, outputs]`
    out: *mut f32,
    outputs: usize,
}

impl Work {
    /// What a group of tokens gives with all weights.
    unsafe fn group(&self, group: Group, add: bool, activations: &mut Vec<Tile>, weights: &mut Vec<Tile>) {
        let Group { tokens, inner } = group;
        let steps = inner.len().div_ceil(INNER);
        let (pack_activations, put): (Pack<f32>, Put) = match self.transposed {
            true => (pack::activations_right, place::columns),
            false => (pack::activations_left, place::rows),
        };
        let from = self.x.from(tokens.start, inner.start);
        // SAFETY: the caller's.
        unsafe { panels(activations, steps, tokens.len(), inner.len(), |at| from.from(at, 0), pack_activations) };
        let wide = (WEIGHTS / steps).next_multiple_of(2).max(2) * SIDE;
        for first in (0..self.outputs).step_by(wide) {
            let outputs = first..self.outputs.min(first + wide);
            // SAFETY: the caller's.
            unsafe {
                match self.transposed {
                    true => {
                        let from = self.weight.from(first, inner.start);
                        let rows = |at| from.from(at, 0);
                        panels(weights, steps, outputs.len(), inner.len(), rows, pack::weights_left);
                    }
                    false => {
                        let from = self.weight.from(inner.start, first);
                        let columns = |at| from.from(0, at);
                        panels(weights, steps, outputs.len(), inner.len(), columns, pack::weights_right);
                    }
                }
            }
            for (token, activations) in tokens.clone().step_by(2 * SIDE).zip(activations.chunks_exact(2 * steps)) {
                for (output, weights) in outputs.clone().step_by(2 * SIDE).zip(weights.chunks_exact(2 * steps)) {
                    let (at, stride) = (self.out.wrapping_add(token * self.outputs + output), self.outputs);
                    let to = Place { at, stride, rows: tokens.end - token, columns: outputs.end - output };
                    let (activations, weights) = (activations.split_at(steps), weights.split_at(steps));
                    let (activations, weights) = ([activations.0, activations.1], [weights.0, weights.1]);
                    let mut sums = Sums([0.0; 4 * SIDE * SIDE]);
                    // SAFETY: the caller's.
                    unsafe {
                        to.prefetch();
                        match self.transposed {
                            true => (self.multiply)(weights, activations, &mut sums),
                            false => (self.multiply)(activations, weights, &mut sums),
                        }
                        put(&sums, to, add);
                    }
                }
            }
        }
    }
}

/// Packs so many rows or columns, each panel from where `from` says, into an even number of panels.
unsafe fn panels<T>(
    space: &mut Vec<Tile>,
    steps: usize,
    count: usize,
    inner: usize,
    from: impl Fn(usize) -> Rows<T>,
    pack: Pack<T>,
) {
    space.resize(count.div_ceil(SIDE).next_multiple_of(2) * steps, Tile::ZERO);
    for (panel, first) in space.chunks_exact_mut(steps).zip((0..).step_by(SIDE)) {
        // SAFETY: the caller's rows are there.
        unsafe { pack(panel, from(first), (SIDE.min(count.saturating_sub(first)), inner)) };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use half::bf16;
    use proptest::prelude::*;

    use super::*;

    /// Numbers that differ, none too small to be normal.
    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count).map(|_| next()).collect()
    }

    /// Weights as in a file, where they begin at any byte.
    fn stored(weights: &[bf16]) -> Stored {
        let bytes: Vec<u8> = std::iter::once(0).chain(weights.iter().flat_map(|weight| weight.to_le_bytes())).collect();
        let range = 1..bytes.len();
        Stored::new(Arc::new(bytes), range, Dtype::Bf16)
    }

    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    fn skipped(instructions: Bf16Instructions) {
        eprintln!("skipped: this processor has no {}", instructions.name());
    }

    /// Each of the instructions that this processor has.
    fn available() -> impl Iterator<Item = Bf16Instructions> {
        Bf16Instructions::ALL.into_iter().filter(|&instructions| {
            if !instructions.is_available() {
                skipped(instructions);
            }
            instructions.is_available()
        })
    }

    /// Compares a product with that of the rounded numbers in f64; each sum's error is bounded by that of its terms.
    fn check((tokens, inner, outputs): (usize, usize, usize), transposed: bool, accum: Accum) {
        let (x, start) = (numbers(tokens * inner, 1), numbers(tokens * outputs, 3));
        let weights: Vec<bf16> = numbers(inner * outputs, 2).into_iter().map(bf16::from_f32).collect();
        let file = stored(&weights);
        let (rows, columns) = if transposed { (outputs, inner) } else { (inner, outputs) };
        let weight = Matrix { data: &file, rows, columns, transposed };
        for instructions in available() {
            let mut out = start.clone();
            product(instructions, &mut out, accum, &x, &weight);
            for token in 0..tokens {
                for output in 0..outputs {
                    let at = token * outputs + output;
                    let before = if accum == Accum::Add { f64::from(start[at]) } else { 0.0 };
                    let terms = (0..inner).map(|k| {
                        let weight = weights[if transposed { output * inner + k } else { k * outputs + output }];
                        bf16::from_f32(x[token * inner + k]).to_f64() * weight.to_f64()
                    });
                    let (exact, size) =
                        terms.fold((before, before.abs()), |(sum, size), term| (sum + term, size + term.abs()));
                    let error = (f64::from(out[at]) - exact).abs();
                    let named = format!("{tokens}×{inner}×{outputs} at {token}, {output} by {}", instructions.name());
                    assert!(error <= 1e-6 * size, "{named}: {error:e} of {size}");
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn products_of_all_shapes_are_those_of_the_rounded_numbers(
            shape in (1_usize..90, 1_usize..200, 1_usize..120), transposed: bool, adds: bool,
        ) {
            check(shape, transposed, if adds { Accum::Add } else { Accum::Replace });
        }
    }

    #[test]
    fn shapes_beyond_what_is_packed_at_a_time_are_exact_too() {
        for transposed in [true, false] {
            check((3, DEPTH + 33, 5), transposed, Accum::Replace);
            check((TOKENS + 1, 40, 3), transposed, Accum::Add);
            check((2, 35, WEIGHTS * SIDE / 2 + 17), transposed, Accum::Replace);
        }
    }

    #[test]
    fn a_tokens_numbers_do_not_depend_on_the_tokens_beside_it() {
        let (tokens, inner, outputs) = (TOKENS + 40, 2100, 50);
        let x = numbers(tokens * inner, 1);
        let file = stored(&numbers(inner * outputs, 2).into_iter().map(bf16::from_f32).collect::<Vec<_>>());
        for instructions in available() {
            for transposed in [true, false] {
                let (rows, columns) = if transposed { (outputs, inner) } else { (inner, outputs) };
                let weight = Matrix { data: &file, rows, columns, transposed };
                let of = |tokens: std::ops::Range<usize>| {
                    let mut out = vec![0.0; tokens.len() * outputs];
                    product(
                        instructions,
                        &mut out,
                        Accum::Replace,
                        &x[tokens.start * inner..tokens.end * inner],
                        &weight,
                    );
                    out.into_iter().map(f32::to_bits).collect::<Vec<_>>()
                };
                let together = of(0..tokens);
                for part in [0..1, 15..33, TOKENS - 1..TOKENS + 40] {
                    assert_eq!(of(part.clone()), together[part.start * outputs..part.end * outputs], "{part:?}");
                }
            }
        }
    }

    #[test]
    fn numbers_are_rounded_to_the_nearest_and_to_even_between_two() {
        let between = |low: u32| f32::from_bits(low << 16 | 0x8000);
        let mut x = numbers(100, 4);
        x.extend([between(0x3f80), between(0x3f81), f32::MAX, f32::NEG_INFINITY, 0.0]);
        let wanted: Vec<f32> = x.iter().map(|&number| bf16::from_f32(number).to_f32()).collect();
        let one = stored(&[bf16::ONE]);
        for (instructions, transposed) in available().flat_map(|one| [(one, true), (one, false)]) {
            let mut out = vec![0.0; x.len()];
            product(
                instructions,
                &mut out,
                Accum::Replace,
                &x,
                &Matrix { data: &one, rows: 1, columns: 1, transposed },
            );
            assert_eq!(out, wanted, "{}", instructions.name());
        }
    }
}
