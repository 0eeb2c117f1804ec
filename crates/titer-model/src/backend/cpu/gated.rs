//! The gate of an MLP: `g · σ(φ(g)) · u`, see [`Activation`].

use titer_machine::Fused;

use crate::{backend::Activation, real::Real};

/// `√(8/π)`
const SLOPE: f64 = 1.595_769_121_605_730_7;

/// `√(8/π) · 0.044715`
const CUBIC: f64 = SLOPE * 0.044_715;

#[inline(always)]
pub(super) fn forward<T: Real>(fused: Fused, out: &mut [T], gate: &[T], up: &[T], activation: Activation) {
    match activation {
        Activation::Silu => forward_with(fused, out, gate, up, |g| g),
        Activation::GeluTanh => forward_with(fused, out, gate, up, |g| g * (T::of(SLOPE) + T::of(CUBIC) * g * g)),
    }
}

#[inline(always)]
pub(super) fn backward<T: Real>(fused: Fused, gate: &mut [T], up: &mut [T], dout: &[T], activation: Activation) {
    match activation {
        Activation::Silu => backward_with(fused, gate, up, dout, |g| (g, T::of(1.0))),
        Activation::GeluTanh => backward_with(fused, gate, up, dout, |g| {
            let cubic = T::of(CUBIC) * g * g;
            (g * (T::of(SLOPE) + cubic), T::of(SLOPE) + T::of(3.0) * cubic)
        }),
    }
}

#[inline(always)]
fn forward_with<T: Real>(fused: Fused, out: &mut [T], gate: &[T], up: &[T], phi: impl Fn(T) -> T) {
    assert!(out.len() == gate.len() && out.len() == up.len());
    for at in 0..out.len() {
        let sigmoid = T::of(1.0) / (T::of(1.0) + (-phi(gate[at])).exponential(fused));
        out[at] = gate[at] * sigmoid * up[at];
    }
}

/// `phi` gives `φ` and its derivative.
#[inline(always)]
fn backward_with<T: Real>(fused: Fused, gate: &mut [T], up: &mut [T], dout: &[T], phi: impl Fn(T) -> (T, T)) {
    assert!(gate.len() == dout.len() && up.len() == dout.len());
    for at in 0..dout.len() {
        let (g, u, d) = (gate[at], up[at], dout[at]);
        let (phi, slope) = phi(g);
        let sigmoid = T::of(1.0) / (T::of(1.0) + (-phi).exponential(fused));
        // (g · σ(φ))' = σ + g · φ' · σ · (1 − σ)
        gate[at] = d * u * sigmoid * (T::of(1.0) + g * slope * (T::of(1.0) - sigmoid));
        up[at] = d * g * sigmoid;
    }
}
