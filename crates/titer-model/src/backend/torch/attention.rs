//! Attention on boxes of rows, a few matrix products and a softmax. The backward pass is given the output and the
//! softmax's log-sums, and computes the softmax again.

use super::{
    placed::{ReachBox, TorchReach},
    tensor::{Number, Tensor},
};
use crate::backend::Heads;

/// Queries, keys or values `[rows, len, heads · width]` of a box as matrices: `[rows · keys' heads, group · len, width]`, where
/// queries that share keys stand one after another.
fn by_head(x: &Tensor, heads: i64, group: i64) -> Tensor {
    let &[rows, len, all] = x.shape() else { unreachable!("boxes have three dimensions") };
    let width = all / (heads * group);
    let apart = x.view(&[rows, len, heads, group, width]);
    let order = apart.swapped(1, 2).swapped(2, 3);
    order.reshaped(&[rows * heads, group * len, width])
}

/// The way back, `[rows · len, heads · width]`.
fn together(x: &Tensor, rows: i64, heads: i64, group: i64) -> Tensor {
    let &[_, all, width] = x.shape() else { unreachable!("matrices by head have three dimensions") };
    let len = all / group;
    let apart = x.view(&[rows, heads, group, len, width]).swapped(2, 3).swapped(1, 2);
    apart.reshaped(&[rows * len, heads * group * width])
}

/// The parts of a box, and its scores.
struct Scored {
    q: Tensor,
    k: Tensor,
    v: Tensor,
    /// `[rows · heads, group · queries, keys]`, in at least f32.
    scores: Tensor,
    /// The derivative of the bound on scores, where there is one.
    slopes: Option<Tensor>,
}

struct Sizes {
    heads: i64,
    group: i64,
}

impl Scored {
    fn new(of: &ReachBox, (q, k, v): (&Tensor, &Tensor, &Tensor), heads: Heads) -> Self {
        let Sizes { heads: many, group } = sizes(heads);
        let q = by_head(&of.queries.of(q), many, group);
        let (k, v) = (by_head(&of.keys.of(k), many, 1), by_head(&of.keys.of(v), many, 1));
        let mut scores = wide(&q.bmm(&k.swapped(1, 2))).times_number(heads.scale);
        let mut slopes = None;
        if let Some(cap) = heads.softcap {
            let tanh = scores.times_number(1.0 / cap).each("tanh");
            scores = tanh.times_number(cap);
            slopes = Some(tanh.times(&tanh).times_number(-1.0).plus_number(1.0));
        }
        let (rows, queries, keys) = (of.queries.rows, of.queries.len, of.keys.len);
        let bias = of.bias.view(&[-1, 1, 1, queries, keys]);
        let scores = scores.view(&[rows, many, group, queries, keys]).plus(&bias);
        Self { q, k, v, scores: scores.view(&[rows * many, group * queries, keys]), slopes }
    }
}

fn sizes(heads: Heads) -> Sizes {
    Sizes { heads: heads.keys as i64, group: (heads.queries / heads.keys) as i64 }
}

/// In at least f32.
fn wide(x: &Tensor) -> Tensor {
    if x.number() == Number::F64 { x.clone() } else { x.to(Number::F32) }
}

/// The output `[queries, heads · width]`, and the softmax's log-sums, one box after another.
pub(super) fn forward(inputs: (&Tensor, &Tensor, &Tensor), reach: &TorchReach, heads: Heads) -> (Tensor, Tensor) {
    let number = inputs.0.number();
    let Sizes { heads: many, group } = sizes(heads);
    let (mut outs, mut sums) = (Vec::new(), Vec::new());
    for of in &reach.boxes {
        let Scored { v, scores, .. } = Scored::new(of, inputs, heads);
        let log_sums = scores.log_sum_exp();
        let weights = softmax(&scores, &log_sums);
        outs.push(together(&weights.to(number).bmm(&v), of.queries.rows, many, group));
        sums.push(log_sums.view(&[-1]));
    }
    (Tensor::cat(&outs, 0).rows(&reach.back), Tensor::cat(&sums, 0))
}

fn softmax(scores: &Tensor, log_sums: &Tensor) -> Tensor {
    let &[heads, queries] = log_sums.shape() else { unreachable!("one for each head and query") };
    scores.minus(&log_sums.view(&[heads, queries, 1])).each("exp")
}

/// The gradients at queries, keys and values.
pub(super) fn backward(
    dout: &Tensor,
    (out, log_sums): (&Tensor, &Tensor),
    inputs: (&Tensor, &Tensor, &Tensor),
    reach: &TorchReach,
    heads: Heads,
) -> (Tensor, Tensor, Tensor) {
    let number = inputs.0.number();
    let Sizes { heads: many, group } = sizes(heads);
    let zeros = || Tensor::zeros(inputs.1.place(), inputs.1.shape(), number);
    let (mut dqs, mut dk, mut dv, mut before) = (Vec::new(), zeros(), zeros(), 0);
    for of in &reach.boxes {
        let (rows, queries) = (of.queries.rows, of.queries.len);
        let Scored { q, k, v, scores, slopes } = Scored::new(of, inputs, heads);
        let (batch, all) = (rows * many, group * queries);
        let log_sums = log_sums.narrow(0, before, batch * all).reshaped(&[batch, all]);
        before += batch * all;
        let weights = softmax(&scores, &log_sums);
        // Filling has no gradient, so what its queries reach has none from them.
        let dout = by_head(&of.queries.of_real(dout), many, group);
        let out = by_head(&of.queries.of(out), many, group);
        let along = wide(&dout).times(&wide(&out)).sum(&[-1], true);
        let d_weights = wide(&dout.bmm(&v.swapped(1, 2)));
        let mut d_scores = weights.times(&d_weights.minus(&along)).times_number(heads.scale);
        if let Some(slopes) = slopes {
            d_scores = d_scores.times(&slopes);
        }
        let d_scores = d_scores.to(number);
        dqs.push(together(&d_scores.bmm(&k), rows, many, group));
        let dk_of = together(&d_scores.swapped(1, 2).bmm(&q), rows, many, 1);
        let dv_of = together(&weights.to(number).swapped(1, 2).bmm(&dout), rows, many, 1);
        (dk, dv) = (dk.with_rows_added(of.keys.places(), &dk_of), dv.with_rows_added(of.keys.places(), &dv_of));
    }
    (Tensor::cat(&dqs, 0).rows(&reach.back), dk, dv)
}
