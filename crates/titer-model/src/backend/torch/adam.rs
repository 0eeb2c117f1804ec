//! Adam's step on all parameters at once.

use super::{
    call::{
        Argument::{Bool, Float, None, Tensor as T, Tensors},
        call, list_of,
    },
    on_device::TorchBuffer,
    tensor::{Number, Tensor},
};
use crate::backend::{AdamParam, AdamStep};

/// The tensor of a buffer, which may be written to: a copy where somebody else refers to it.
fn owned(buffer: &mut TorchBuffer) -> Tensor {
    let tensor = buffer.take();
    if tensor.is_alone() { tensor } else { tensor.copied() }
}

/// One step on parameters of the same number type.
pub(super) fn adam(moved: Vec<AdamParam<'_, TorchBuffer>>, step: AdamStep) {
    let Some(first) = moved.first() else { return };
    let (place, number) = (first.weight.tensor().place(), first.weight.tensor().number());
    let mut gradients: Vec<Tensor> = moved.iter().map(|of| of.gradient.tensor().view(&[-1])).collect();
    if step.gradient_scale != 1.0 {
        // A copy: gradients are also what cells' shares are booked from.
        let scale = Tensor::of_numbers(place, &[step.gradient_scale], number).view(&[]);
        gradients = list_of("_foreach_mul.Tensor", &[Tensors(&gradients), T(&scale)]);
    }
    let steps = Tensor::of_numbers(place, &[f64::from(step.steps)], Number::F32).view(&[]);
    let steps = vec![steps; gradients.len()];
    let mut buffers = Vec::with_capacity(moved.len());
    for AdamParam { weight, first, second, .. } in moved {
        let tensors = [owned(weight), owned(first), owned(second)];
        buffers.push(([weight, first, second], tensors));
    }
    let flat = |at: usize| buffers.iter().map(|(_, tensors)| tensors[at].view(&[-1])).collect::<Vec<_>>();
    let (weights, firsts, seconds) = (flat(0), flat(1), flat(2));
    let arguments = [
        Tensors(&weights),
        Tensors(&gradients),
        Tensors(&firsts),
        Tensors(&seconds),
        Tensors(&[]),
        Tensors(&steps),
        Float(step.lr),
        Float(step.beta1),
        Float(step.beta2),
        Float(step.weight_decay),
        Float(step.eps),
        Bool(false),
        Bool(false),
        None,
        None,
    ];
    let [] = call("_fused_adamw_", &arguments);
    for (of, tensors) in buffers {
        of.into_iter().zip(tensors).for_each(|(buffer, tensor)| *buffer = TorchBuffer::new(tensor));
    }
}
