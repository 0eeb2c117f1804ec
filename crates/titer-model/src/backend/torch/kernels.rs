//! Functions of libtorch's that compute attention or a norm in one kernel.
//!
//! The operations themselves gain arguments from version to version; these functions keep theirs, which is what libtorch promises of them. Each
//! may be missing, and then what it computes is put together from smaller operations.

use std::ffi::c_void;

/// A tensor as libtorch hands it out.
type Tensor = *mut c_void;

/// A place for a tensor that is given back.
type Out = *mut Tensor;

/// Attention on the processor, `(out, log-sums)`: of queries, keys, values, share dropped, whether causal, mask, scale.
pub(super) type ProcessorForward =
    unsafe extern "C" fn(Tensor, Tensor, Tensor, f64, i32, *const Tensor, *const f64, Out, Out) -> i32;

/// Its backward pass, `(dq, dk, dv)`: of the gradient, queries, keys, values, out, log-sums, and the rest as before.
pub(super) type ProcessorBackward = unsafe extern "C" fn(
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    f64,
    i32,
    *const Tensor,
    *const f64,
    Out,
    Out,
    Out,
) -> i32;

/// Flash attention: of queries, keys, values, share dropped, whether causal, whether to debug, scale. Gives out, log-sums, two tensors and two
/// numbers about packed rows, the state of random numbers, and two tensors more.
pub(super) type FlashForward = unsafe extern "C" fn(
    Tensor,
    Tensor,
    Tensor,
    f64,
    i32,
    i32,
    *const f64,
    Out,
    Out,
    Out,
    Out,
    *mut i64,
    *mut i64,
    Out,
    Out,
    Out,
) -> i32;

/// Its backward pass: of the gradient, queries, keys, values, out, log-sums, two tensors and two numbers about packed rows, share dropped, whether
/// causal, the state of random numbers in two parts, scale.
pub(super) type FlashBackward = unsafe extern "C" fn(
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    i64,
    i64,
    f64,
    i32,
    Tensor,
    Tensor,
    *const f64,
    Out,
    Out,
    Out,
) -> i32;

/// Memory-efficient attention: of queries, keys, values, bias, whether to give log-sums, share dropped, whether causal, scale. Gives out, log-sums
/// and the state of random numbers in two parts.
pub(super) type EfficientForward =
    unsafe extern "C" fn(Tensor, Tensor, Tensor, *const Tensor, i32, f64, i32, *const f64, Out, Out, Out, Out) -> i32;

/// Its backward pass: of the gradient, queries, keys, values, bias, out, log-sums, the state of random numbers in two parts, share dropped, which of
/// four gradients are wanted, how many there are, whether causal, scale.
pub(super) type EfficientBackward = unsafe extern "C" fn(
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    f64,
    *const i32,
    i64,
    i32,
    *const f64,
    Out,
    Out,
    Out,
    Out,
) -> i32;

/// A norm, `(y, 1 / rms)`: of the input, the shape of what is normed, the length of that, scale, eps.
pub(super) type RmsNorm = unsafe extern "C" fn(Tensor, *const i64, i64, *const Tensor, *const f64, Out, Out) -> i32;

/// The functions that a libtorch has.
#[derive(Clone, Copy, Default)]
pub(super) struct Kernels {
    /// Attention on the processor.
    pub(super) processor: Option<(ProcessorForward, ProcessorBackward)>,
    /// Attention on CUDA, in numbers of 16 bits.
    pub(super) flash: Option<(FlashForward, FlashBackward)>,
    /// Attention on CUDA, in f32 too, and with a bias.
    pub(super) efficient: Option<(EfficientForward, EfficientBackward)>,
    /// Makes a tensor that is none, which stands for one that is left out.
    pub(super) nothing: Option<unsafe extern "C" fn(Out) -> i32>,
    /// Norms on the processor and on CUDA; Apple's does not give `1 / rms`.
    pub(super) norms: [Option<RmsNorm>; 3],
}
