//! Attention on a box of rows in one kernel of torch's, which keeps no scores.
//!
//! Kernels differ by device: these are the only lines that do. Each is given the output and the softmax's log-sums on the way back.

use super::{
    given::Given,
    kernel_use::KernelUse,
    kernels::Kernels,
    launches,
    library::library,
    placed::ReachBox,
    tensor::{Number, Place, Tensor, check},
};
use crate::backend::Heads;

/// A kernel for attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fused {
    /// The processor's, in all numbers and with any bias.
    Processor,
    /// Flash attention on CUDA: numbers of 16 bits, each query reaches the keys up to its own place.
    Flash,
    /// Memory-efficient attention on CUDA: f32 too, and with any bias.
    Efficient,
}

/// Widest head of a kernel on CUDA, and what a width is a multiple of.
const WIDTHS: (usize, usize) = (256, 8);

/// Log-sums of so many queries at a time are what memory-efficient attention gives.
const ALIGNED: i64 = 32;

/// Nothing is left out at random.
const DROPPED: f64 = 0.0;

impl Fused {
    /// The kernel for attention in these numbers, if there is one among those that are used.
    pub(super) fn of(place: Place, number: Number, heads: Heads, causal: bool, used: KernelUse) -> Option<Self> {
        let (library, fits) = (library(), heads.width <= WIDTHS.0 && heads.width.is_multiple_of(WIDTHS.1));
        let Kernels { processor, flash, efficient, nothing, .. } = library.kernels;
        if heads.softcap.is_some() || !used.has(number) {
            return None;
        }
        match library.kind(place.device)? {
            0 => processor.map(|_| Self::Processor),
            1 if fits && nothing.is_some() && number != Number::F64 => {
                let is_flash = number.is_short() && causal && used == KernelUse::Full;
                let flash = flash.filter(|_| is_flash).map(|_| Self::Flash);
                flash.or_else(|| efficient.map(|_| Self::Efficient))
            }
            _ => None,
        }
    }

    /// How many log-sums [`Fused::forward`] gives.
    pub(super) fn log_sums(self, of: &ReachBox, heads: Heads) -> i64 {
        of.queries.rows * heads.queries as i64 * self.log_sums_of_head(of.queries.len)
    }

    fn log_sums_of_head(self, queries: i64) -> i64 {
        if self == Self::Efficient { (queries + ALIGNED - 1) / ALIGNED * ALIGNED } else { queries }
    }

    /// The output `[rows · queries, heads · width]`, and the softmax's log-sums.
    pub(super) fn forward(self, of: &ReachBox, inputs: (&Tensor, &Tensor, &Tensor), heads: Heads) -> (Tensor, Tensor) {
        let Inputs { q, k, v } = self.inputs(of, inputs, heads);
        let (bias, causal, scale) = (self.bias(of, heads), i32::from(of.is_causal()), heads.scale);
        let (q_raw, k_raw, v_raw) = (q.raw(), k.raw(), v.raw());
        let raw_bias = bias.as_ref().map(Tensor::raw);
        let bias = raw_bias.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        let mut given = Given::<7>::new(q.place());
        let kernels = &library().kernels;
        // SAFETY: the tensors are borrowed, and each place is for one tensor that is given back.
        let status = unsafe {
            let [out, sums, a, b, c, d, e] = given.places();
            match self {
                Self::Processor => {
                    let (forward, _) = kernels.processor.expect("it was looked for");
                    forward(q_raw, k_raw, v_raw, DROPPED, causal, bias, &scale, out, sums)
                }
                Self::Flash => {
                    let (forward, _) = kernels.flash.expect("it was looked for");
                    let (mut longest, mut longest_keys) = (0, 0);
                    let packed = (&raw mut longest, &raw mut longest_keys);
                    forward(
                        q_raw, k_raw, v_raw, DROPPED, causal, 0, &scale, out, sums, a, b, packed.0, packed.1, c, d, e,
                    )
                }
                Self::Efficient => {
                    let (forward, _) = kernels.efficient.expect("it was looked for");
                    forward(q_raw, k_raw, v_raw, bias, 1, DROPPED, causal, &scale, out, sums, a, b)
                }
            }
        };
        launches::count("attention");
        check(status, "attention");
        let [out, sums] = given.take();
        (in_rows(&out), sums.reshaped(&[-1]))
    }

    /// The gradients at a box's queries, keys and values, `[rows · len, heads · width]`.
    pub(super) fn backward(
        self,
        of: &ReachBox,
        dout: &Tensor,
        (out, log_sums): (&Tensor, &Tensor),
        inputs: (&Tensor, &Tensor, &Tensor),
        heads: Heads,
    ) -> [Tensor; 3] {
        let queries = heads.queries as i64;
        let Inputs { q, k, v } = self.inputs(of, inputs, heads);
        // Filling has no gradient, so what its queries reach has none from them.
        let (dout, out) = (headed(&of.queries.of_real(dout), queries), headed(&of.queries.of(out), queries));
        let sums = log_sums.view(&[of.queries.rows, queries, self.log_sums_of_head(of.queries.len)]);
        let (place, bias) = (q.place(), self.bias(of, heads));
        let (causal, scale) = (i32::from(of.is_causal()), heads.scale);
        let mut given = Given::<4>::new(place);
        let kernels = &library().kernels;
        let [dout, q_raw, k_raw, v_raw, out, sums] = [&dout, &q, &k, &v, &out, &sums].map(Tensor::raw);
        // Nothing is random, so this is not read.
        let random = Tensor::empty(place, &[2], Number::I64);
        // SAFETY: as in the forward pass.
        let status = unsafe {
            let [dq, dk, dv, d_bias] = given.places();
            match self {
                Self::Processor => {
                    let (_, backward) = kernels.processor.expect("it was looked for");
                    let raw_bias = bias.as_ref().map(Tensor::raw);
                    let bias = raw_bias.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
                    backward(dout, q_raw, k_raw, v_raw, out, sums, DROPPED, causal, bias, &scale, dq, dk, dv)
                }
                Self::Flash => {
                    let (_, backward) = kernels.flash.expect("it was looked for");
                    let (unpacked, random) = (nothing(place), random.raw());
                    let (unpacked, longest) = (unpacked.raw(), of.queries.len);
                    backward(
                        dout, q_raw, k_raw, v_raw, out, sums, unpacked, unpacked, longest, longest, DROPPED, causal,
                        random, random, &scale, dq, dk, dv,
                    )
                }
                Self::Efficient => {
                    let (_, backward) = kernels.efficient.expect("it was looked for");
                    let (bias, random) = (bias.unwrap_or_else(|| nothing(place)), random.raw());
                    let wanted = [1, 1, 1, 0];
                    backward(
                        dout,
                        q_raw,
                        k_raw,
                        v_raw,
                        bias.raw(),
                        out,
                        sums,
                        random,
                        random,
                        DROPPED,
                        wanted.as_ptr(),
                        wanted.len() as i64,
                        causal,
                        &scale,
                        dq,
                        dk,
                        dv,
                        d_bias,
                    )
                }
            }
        };
        launches::count("the backward pass of attention");
        check(status, "the backward pass of attention");
        let [dq, dk, dv] = given.take();
        [in_rows(&dq), self.of_keys(&dk, heads), self.of_keys(&dv, heads)]
    }

    /// Whether the kernel takes fewer heads of keys than of queries.
    fn takes_groups(self) -> bool {
        self == Self::Flash
    }

    fn inputs(self, of: &ReachBox, (q, k, v): (&Tensor, &Tensor, &Tensor), heads: Heads) -> Inputs {
        let (keys, group) = (heads.keys as i64, (heads.queries / heads.keys) as i64);
        let of_keys = |x: &Tensor| {
            let x = of.keys.of(x);
            if self.takes_groups() { headed(&x, keys) } else { repeated(&x, keys, group) }
        };
        Inputs { q: headed(&of.queries.of(q), heads.queries as i64), k: of_keys(k), v: of_keys(v) }
    }

    /// From gradients at the keys or values of every head, `[rows, heads, len, width]`, to those of the heads that share them.
    fn of_keys(self, gradient: &Tensor, heads: Heads) -> Tensor {
        let (keys, group) = (heads.keys as i64, (heads.queries / heads.keys) as i64);
        if self.takes_groups() || group == 1 {
            return in_rows(gradient);
        }
        let &[rows, _, len, width] = gradient.shape() else { unreachable!("one for each head") };
        in_rows(&gradient.reshaped(&[rows, keys, group, len, width]).sum(&[2], false))
    }

    /// What is added to scores, `[rows or 1, heads or 1, queries, keys]`.
    fn bias(self, of: &ReachBox, heads: Heads) -> Option<Tensor> {
        if of.is_causal() {
            return None;
        }
        let bias = of.bias();
        let &[rows, queries, keys] = bias.shape() else { unreachable!("one for each row") };
        Some(match self {
            Self::Efficient => {
                let shape = [rows, heads.queries as i64, queries, keys];
                bias.strided(&shape, &[queries * keys, 0, keys, 1])
            }
            _ => bias.view(&[rows, 1, queries, keys]),
        })
    }
}

/// Queries, keys and values of a box's rows, `[rows, heads, len, width]`.
struct Inputs {
    q: Tensor,
    k: Tensor,
    v: Tensor,
}

/// `[rows, len, heads · width]` as `[rows, heads, len, width]`, without moving a number.
fn headed(x: &Tensor, heads: i64) -> Tensor {
    let &[rows, len, all] = x.shape() else { unreachable!("boxes have three dimensions") };
    let width = all / heads;
    x.strided(&[rows, heads, len, width], &[len * all, width, all, 1])
}

/// The same with each head as often as queries' heads share it.
fn repeated(x: &Tensor, heads: i64, group: i64) -> Tensor {
    if group == 1 {
        return headed(x, heads);
    }
    let &[rows, len, all] = x.shape() else { unreachable!("boxes have three dimensions") };
    let width = all / heads;
    let often = x.strided(&[rows, heads, group, len, width], &[len * all, width, 0, all, 1]);
    often.reshaped(&[rows, heads * group, len, width])
}

/// `[rows, heads, len, width]` as `[rows · len, heads · width]`.
fn in_rows(x: &Tensor) -> Tensor {
    let &[rows, heads, len, width] = x.shape() else { unreachable!("one for each head") };
    x.swapped(1, 2).reshaped(&[rows * len, heads * width])
}

/// A tensor that stands for one that is left out.
fn nothing(place: Place) -> Tensor {
    let (make, mut handle) = (library().kernels.nothing.expect("it was looked for"), std::ptr::null_mut());
    // SAFETY: it makes a new tensor.
    check(unsafe { make(&mut handle) }, "nothing");
    Tensor::left_out(handle, place)
}
