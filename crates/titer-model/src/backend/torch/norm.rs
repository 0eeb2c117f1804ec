//! Root-mean-square norms: in one kernel where there is one, else put together.

use super::{
    call::{
        Argument::{Bools, Ints, Some, Tensor as T},
        first,
    },
    given::Given,
    kernel_use::KernelUse,
    kernels::RmsNorm,
    launches,
    library::library,
    on_device::TorchBuffer,
    tensor::{Number, Place, Tensor, check},
};

/// The kernel of this kind of device, if there is one.
fn kernel(place: Place) -> Option<RmsNorm> {
    let library = library();
    library.kernels.norms[library.kind(place.device)?]
}

/// The scale in these numbers, where they hold it exactly.
fn exact(scale: &TorchBuffer, number: Number) -> Option<Tensor> {
    if scale.tensor().number() == number { Option::Some(scale.tensor().clone()) } else { scale.exact_in(number) }
}

/// `y = x · r · scale`, in the numbers `out`, and `r`, `[rows, 1]`; `x` is `[rows, width]`.
pub(super) fn forward(x: &Tensor, scale: &TorchBuffer, eps: f64, out: Number, used: KernelUse) -> (Tensor, Tensor) {
    let wide = scale.tensor().number();
    let Option::Some(kernel) = kernel(x.place()).filter(|_| used.has(wide)) else {
        let x = x.to(wide);
        let factors = x.times(&x).mean_last().plus_number(eps).each("rsqrt");
        return (x.times(&factors).times(scale.tensor()).to(out), factors);
    };
    // In the numbers that activations have, where the scale can be had in them as it is; else in the scale's.
    let (x, scale) = match exact(scale, x.number()).filter(|_| x.number() == out && used.has(out)) {
        Option::Some(scale) => (x.clone(), scale),
        Option::None => (x.to(wide), scale.tensor().clone()),
    };
    let (width, raw_scale) = ([x.shape()[1]], scale.raw());
    let mut given = Given::<2>::new(x.place());
    let [y, factors] = given.places();
    launches::count("norm");
    // SAFETY: the tensors are borrowed, and each place is for one tensor that is given back.
    check(unsafe { kernel(x.raw(), width.as_ptr(), 1, &raw_scale, &eps, y, factors) }, "norm");
    let [y, factors] = given.take();
    (y.to(out), factors.to(wide))
}

/// The gradient at `x`; `factors` are `r`.
pub(super) fn backward(dy: &Tensor, x: &Tensor, scale: &TorchBuffer, factors: &Tensor, used: KernelUse) -> Tensor {
    let wide = scale.tensor().number();
    let factors = factors.view(&[-1, 1]);
    // On CUDA alone.
    if used.has(wide) && library().kind(x.place().device) == Option::Some(1) && kernel(x.place()).is_some() {
        let (x, dy, scale) =
            match exact(scale, x.number()).filter(|_| x.number() == dy.number() && used.has(x.number())) {
                Option::Some(scale) => (x.clone(), dy.clone(), scale),
                Option::None => (x.to(wide), dy.to(wide), scale.tensor().clone()),
            };
        let (width, wanted) = ([x.shape()[1]], [true, false]);
        let arguments = [T(&dy), T(&x), Ints(&width), T(&factors), Some(&T(&scale)), Bools(&wanted)];
        return first("_fused_rms_norm_backward", &arguments);
    }
    let (x, dy) = (x.to(wide), dy.to(wide));
    let (normed, through) = (x.times(&factors), dy.times(scale.tensor()));
    let along = through.times(&normed).mean_last();
    through.minus(&normed.times(&along)).times(&factors)
}
