//! Attention on boxes of rows: in one kernel where there is one, else by matrix products.

use super::{by_products, fused::Fused, kernel_use::KernelUse, placed::TorchReach, tensor::Tensor};
use crate::backend::Heads;

/// Queries, keys and values, `[_, heads · width]`.
type Inputs<'a> = (&'a Tensor, &'a Tensor, &'a Tensor);

/// For each box, the kernel that does it in one.
fn kernels(inputs: Inputs, reach: &TorchReach, heads: Heads, used: KernelUse) -> impl Iterator<Item = Option<Fused>> {
    let (place, number) = (inputs.0.place(), inputs.0.number());
    let causal = reach.boxes.iter().map(|of| of.is_causal());
    causal.map(move |causal| Fused::of(place, number, heads, causal, used))
}

/// The output `[queries, heads · width]`, and the softmax's log-sums, one box after another. `used` says which kernels may be.
pub(super) fn forward(inputs: Inputs, reach: &TorchReach, heads: Heads, used: KernelUse) -> (Tensor, Tensor) {
    let of_box = |(of, kernel): (_, Option<Fused>)| match kernel {
        Some(kernel) => kernel.forward(of, inputs, heads),
        None => by_products::forward(of, inputs, heads),
    };
    let boxes = reach.boxes.iter().zip(kernels(inputs, reach, heads, used));
    let (outs, sums): (Vec<_>, Vec<_>) = boxes.map(of_box).unzip();
    (reach.in_order(&outs), Tensor::cat(&sums, 0))
}

/// The gradients at queries, keys and values; `used` is what it was in the forward pass.
pub(super) fn backward(
    dout: &Tensor,
    (out, log_sums): (&Tensor, &Tensor),
    inputs: Inputs,
    reach: &TorchReach,
    heads: Heads,
    used: KernelUse,
) -> (Tensor, Tensor, Tensor) {
    let (mut dqs, mut dk, mut dv, mut before) = (Vec::new(), None, None, 0);
    for (of, kernel) in reach.boxes.iter().zip(kernels(inputs, reach, heads, used)) {
        let count = kernel.map_or_else(|| by_products::log_sums(of, heads), |kernel| kernel.log_sums(of, heads));
        let log_sums =
            if count == log_sums.len() as i64 { log_sums.clone() } else { log_sums.narrow(0, before, count) };
        before += count;
        let forward = (out, &log_sums);
        let [dq, dk_of, dv_of] = match kernel {
            Some(kernel) => kernel.backward(of, dout, forward, inputs, heads),
            None => by_products::backward(of, dout, forward, inputs, heads),
        };
        dqs.push(dq);
        dk = Some(of.keys.added_to(dk, dk_of, inputs.1));
        dv = Some(of.keys.added_to(dv, dv_of, inputs.2));
    }
    let zeros = |like: &Tensor| Tensor::zeros(like.place(), like.shape(), like.number());
    (reach.in_order(&dqs), dk.unwrap_or_else(|| zeros(inputs.1)), dv.unwrap_or_else(|| zeros(inputs.2)))
}
