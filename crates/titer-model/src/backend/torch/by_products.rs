//! Attention on a box of rows by a few matrix products and a softmax, for what no kernel does in one. The backward pass computes the softmax
//! again, from its log-sums.

use super::{
    placed::ReachBox,
    tensor::{Number, Tensor},
};
use crate::backend::Heads;

/// Scores (queries × keys, of one head) that are computed at a time; few in tests, so that rows are cut there.
const SCORES: i64 = if cfg!(test) { 40 } else { 1 << 22 };

/// Queries, keys or values `[rows, len, heads · width]` as matrices: `[rows · keys' heads, group · len, width]`, where queries that share
/// keys stand one after another.
fn by_head(x: &Tensor, heads: i64, group: i64) -> Tensor {
    let &[rows, len, all] = x.shape() else { unreachable!("boxes have three dimensions") };
    let width = all / (heads * group);
    let apart = x.view(&[rows, len, heads, group, width]);
    let order = apart.swapped(1, 2).swapped(2, 3);
    order.reshaped(&[rows * heads, group * len, width])
}

/// The way back, `[rows, len, heads · width]`.
fn together(x: &Tensor, rows: i64, heads: i64, group: i64) -> Tensor {
    let &[_, all, width] = x.shape() else { unreachable!("matrices by head have three dimensions") };
    let len = all / group;
    let apart = x.view(&[rows, heads, group, len, width]).swapped(2, 3).swapped(1, 2);
    apart.reshaped(&[rows, len, heads * group * width])
}

/// Some of a box's rows, or some queries of one row: first, and how many.
#[derive(Clone, Copy)]
struct Part {
    rows: (i64, i64),
    queries: (i64, i64),
}

impl Part {
    /// The parts of a box, each with few enough scores.
    fn all(of: &ReachBox) -> Vec<Self> {
        let (rows, queries) = (of.queries.rows, of.queries.len);
        let scores = queries * of.keys.len;
        let row_step = (SCORES / scores).clamp(1, rows);
        let query_step = if scores > SCORES { (SCORES / of.keys.len).max(1) } else { queries };
        let cut =
            |step: i64, all: i64| (0..all).step_by(step as usize).map(move |first| (first, step.min(all - first)));
        cut(row_step, rows)
            .flat_map(|rows| cut(query_step, queries).map(move |queries| Self { rows, queries }))
            .collect()
    }

    /// Its rows of keys or values, `[rows, len, _]`.
    fn rows_of(self, x: &Tensor) -> Tensor {
        if self.rows.1 == x.shape()[0] { x.clone() } else { x.narrow(0, self.rows.0, self.rows.1) }
    }

    /// Its queries, `[rows, len, _]`.
    fn queries_of(self, x: &Tensor) -> Tensor {
        let rows = self.rows_of(x);
        if self.queries.1 == x.shape()[1] { rows } else { rows.narrow(1, self.queries.0, self.queries.1) }
    }

    /// The bias `[rows or 1, queries, keys]`.
    fn bias_of(self, bias: &Tensor) -> Tensor {
        let alike = Self { rows: (0, 1), ..self };
        if bias.shape()[0] == 1 { alike.queries_of(bias) } else { self.queries_of(bias) }
    }
}

/// Queries, keys and values of a box's rows.
struct Inputs {
    q: Tensor,
    k: Tensor,
    v: Tensor,
}

impl Inputs {
    fn new(of: &ReachBox, (q, k, v): (&Tensor, &Tensor, &Tensor)) -> Self {
        Self { q: of.queries.of(q), k: of.keys.of(k), v: of.keys.of(v) }
    }
}

/// A part of a box, and its scores.
struct Scored {
    q: Tensor,
    k: Tensor,
    v: Tensor,
    /// `[rows · heads, group · queries, keys]`, in at least f32.
    scores: Tensor,
    /// The derivative of the bound on scores, where there is one.
    slopes: Option<Tensor>,
}

impl Scored {
    fn new(part: Part, inputs: &Inputs, bias: &Tensor, heads: Heads) -> Self {
        let Sizes { heads: many, group } = sizes(heads);
        let q = by_head(&part.queries_of(&inputs.q), many, group);
        let (k, v) = (by_head(&part.rows_of(&inputs.k), many, 1), by_head(&part.rows_of(&inputs.v), many, 1));
        let mut scores = wide(&q.bmm(&k.swapped(1, 2))).times_number(heads.scale);
        let mut slopes = None;
        if let Some(cap) = heads.softcap {
            let tanh = scores.times_number(1.0 / cap).each("tanh");
            scores = tanh.times_number(cap);
            slopes = Some(tanh.times(&tanh).times_number(-1.0).plus_number(1.0));
        }
        let (rows, queries, keys) = (part.rows.1, part.queries.1, inputs.k.shape()[1]);
        let bias = part.bias_of(bias).view(&[-1, 1, 1, queries, keys]);
        let scores = scores.view(&[rows, many, group, queries, keys]).plus(&bias);
        Self { q, k, v, scores: scores.view(&[rows * many, group * queries, keys]), slopes }
    }
}

struct Sizes {
    heads: i64,
    group: i64,
}

fn sizes(heads: Heads) -> Sizes {
    Sizes { heads: heads.keys as i64, group: (heads.queries / heads.keys) as i64 }
}

/// In at least f32.
fn wide(x: &Tensor) -> Tensor {
    if x.number() == Number::F64 { x.clone() } else { x.to(Number::F32) }
}

fn softmax(scores: &Tensor, log_sums: &Tensor) -> Tensor {
    let &[heads, queries] = log_sums.shape() else { unreachable!("one for each head and query") };
    scores.minus(&log_sums.view(&[heads, queries, 1])).each("exp")
}

/// How many log-sums [`forward`] gives.
pub(super) fn log_sums(of: &ReachBox, heads: Heads) -> i64 {
    of.queries.rows * of.queries.len * heads.queries as i64
}

/// The output `[rows · queries, heads · width]`, and the softmax's log-sums, one part after another.
pub(super) fn forward(of: &ReachBox, inputs: (&Tensor, &Tensor, &Tensor), heads: Heads) -> (Tensor, Tensor) {
    let number = inputs.0.number();
    let Sizes { heads: many, group } = sizes(heads);
    let (inputs, bias) = (Inputs::new(of, inputs), of.bias());
    let (mut outs, mut sums) = (Vec::new(), Vec::new());
    for part in Part::all(of) {
        let Scored { v, scores, .. } = Scored::new(part, &inputs, &bias, heads);
        let log_sums = scores.log_sum_exp();
        let out = together(&softmax(&scores, &log_sums).to(number).bmm(&v), part.rows.1, many, group);
        outs.push(out.view(&[part.rows.1 * part.queries.1, -1]));
        sums.push(log_sums.view(&[-1]));
    }
    (Tensor::cat(&outs, 0), Tensor::cat(&sums, 0))
}

/// The gradients at a box's queries, keys and values, `[rows · len, heads · width]`.
pub(super) fn backward(
    of: &ReachBox,
    dout: &Tensor,
    (out, log_sums): (&Tensor, &Tensor),
    inputs: (&Tensor, &Tensor, &Tensor),
    heads: Heads,
) -> [Tensor; 3] {
    let number = inputs.0.number();
    let Sizes { heads: many, group } = sizes(heads);
    let (inputs, bias) = (Inputs::new(of, inputs), of.bias());
    // Filling has no gradient, so what its queries reach has none from them.
    let (dout, out) = (of.queries.of_real(dout), of.queries.of(out));
    let (mut dq, mut dk, mut dv, mut before) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for part in Part::all(of) {
        let (rows, queries) = (part.rows.1, part.queries.1);
        let Scored { q, k, v, scores, slopes } = Scored::new(part, &inputs, &bias, heads);
        let (batch, all) = (rows * many, group * queries);
        let log_sums = log_sums.narrow(0, before, batch * all).reshaped(&[batch, all]);
        before += batch * all;
        let weights = softmax(&scores, &log_sums);
        let dout = by_head(&part.queries_of(&dout), many, group);
        let out = by_head(&part.queries_of(&out), many, group);
        let along = wide(&dout).times(&wide(&out)).sum(&[-1], true);
        let d_weights = wide(&dout.bmm(&v.swapped(1, 2)));
        let mut d_scores = weights.times(&d_weights.minus(&along)).times_number(heads.scale);
        if let Some(slopes) = slopes {
            d_scores = d_scores.times(&slopes);
        }
        let d_scores = d_scores.to(number);
        dq.push(together(&d_scores.bmm(&k), rows, many, group).view(&[rows * queries, -1]));
        let at_keys = |gradient: Tensor| together(&gradient, rows, many, 1).view(&[rows * of.keys.len, -1]);
        let (dk_of, dv_of) = (d_scores.swapped(1, 2).bmm(&q), weights.to(number).swapped(1, 2).bmm(&dout));
        for (gradients, gradient) in [(&mut dk, at_keys(dk_of)), (&mut dv, at_keys(dv_of))] {
            match gradients.last_mut().filter(|_| part.queries.0 > 0) {
                // Other queries of the same row.
                Some(sum) => *sum = gradient.plus(sum),
                None => gradients.push(gradient),
            }
        }
    }
    [dq, dk, dv].map(|parts| Tensor::cat(&parts, 0))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use crate::backend::{KernelUse, Operation, Torch, TorchDevice, Trial, error_of};

    #[test]
    fn parts_of_boxes_and_of_rows_come_to_the_whole() {
        let Some(folder) = std::env::var_os("TITER_TORCH").map(PathBuf::from) else { return };
        let torch = Torch::<f64>::open(&folder, TorchDevice::Cpu).unwrap().with_kernels(KernelUse::Without);
        // Several rows a part, one row a part, several parts a row.
        for lengths in [[4, 4, 4, 4], [6, 6, 5, 2], [19, 23, 7, 1]] {
            for operation in [Operation::Attention, Operation::AttentionBackward] {
                let off = error_of(&torch, operation, &Trial::of_rows(&lengths));
                assert!(off < 1e-11, "{} of {lengths:?} off by {off:.1e}", operation.word());
            }
        }
    }
}
