//! The operations of torch that the backend is made of, as methods.

use super::{
    call::{
        Argument::{Bool, Int, Ints, None, Number as Type, Some, Tensor as T, Tensors, Text},
        call, one,
    },
    launches,
    library::Handle,
    tensor::{Number, Tensor, check},
};

impl Tensor {
    /// The same numbers in another type.
    pub(super) fn to(&self, number: Number) -> Self {
        if self.number() == number {
            return self.clone();
        }
        one("to.dtype", &[T(self), Type(number), Bool(false), Bool(false), None])
    }

    /// A copy that nobody else refers to.
    pub(super) fn copied(&self) -> Self {
        one("clone", &[T(self), None])
    }

    /// A result of a function with numbers among its arguments.
    fn shim(&self, name: &str, call: impl FnOnce(*mut Handle) -> i32) -> Self {
        let mut handle = std::ptr::null_mut();
        launches::count(name);
        check(call(&mut handle), name);
        Self::owning(handle, self.place())
    }

    /// `self + factor · other`
    pub(super) fn add_scaled(&self, other: &Self, factor: f64) -> Self {
        let add = self.place().shims.add;
        // SAFETY: it borrows both tensors.
        self.shim("add", |out| unsafe { add(self.raw(), other.raw(), factor, out) })
    }

    /// `self + other`
    pub(super) fn plus(&self, other: &Self) -> Self {
        self.add_scaled(other, 1.0)
    }

    /// `self − other`
    pub(super) fn minus(&self, other: &Self) -> Self {
        self.add_scaled(other, -1.0)
    }

    /// `self + number`
    pub(super) fn plus_number(&self, number: f64) -> Self {
        let add = self.place().shims.add_number;
        // SAFETY: it borrows the tensor.
        self.shim("add", |out| unsafe { add(self.raw(), number, 1.0, out) })
    }

    /// `self · number`
    pub(super) fn times_number(&self, number: f64) -> Self {
        let mul = self.place().shims.mul_number;
        // SAFETY: as above.
        self.shim("mul", |out| unsafe { mul(self.raw(), number, out) })
    }

    /// `self ⊙ other`
    pub(super) fn times(&self, other: &Self) -> Self {
        one("mul.Tensor", &[T(self), T(other)])
    }

    /// `self / other`
    pub(super) fn over(&self, other: &Self) -> Self {
        one("div.Tensor", &[T(self), T(other)])
    }

    /// A function of each number that takes nothing else: `exp`, `tanh`, `rsqrt`, `sqrt`, `silu`.
    pub(super) fn each(&self, name: &str) -> Self {
        one(name, &[T(self)])
    }

    /// Sums over these dimensions, which stay as 1 where `keep` says so.
    pub(super) fn sum(&self, dims: &[i64], keep: bool) -> Self {
        one("sum.dim_IntList", &[T(self), Some(&Ints(dims)), Bool(keep), None])
    }

    /// Sums over these dimensions, in these numbers.
    pub(super) fn sum_in(&self, dims: &[i64], number: Number) -> Self {
        one("sum.dim_IntList", &[T(self), Some(&Ints(dims)), Bool(false), Some(&Type(number))])
    }

    /// The sum of all, in f64 where the device has it.
    pub(super) fn total(&self, number: Number) -> Self {
        one("sum", &[T(self), Some(&Type(number))])
    }

    /// The mean over the last dimension, which stays as 1.
    pub(super) fn mean_last(&self) -> Self {
        one("mean.dim", &[T(self), Some(&Ints(&[-1])), Bool(true), None])
    }

    /// `log Σ exp` over the last dimension.
    pub(super) fn log_sum_exp(&self) -> Self {
        one("logsumexp", &[T(self), Ints(&[-1]), Bool(false)])
    }

    /// `log softmax` over the last dimension.
    pub(super) fn log_softmax(&self) -> Self {
        one("log_softmax.int", &[T(self), Int(-1), None])
    }

    /// Matrix product; either may be transposed.
    pub(super) fn mm(&self, other: &Self) -> Self {
        one("mm", &[T(self), T(other)])
    }

    /// Matrix products, one for each index of the first dimension.
    pub(super) fn bmm(&self, other: &Self) -> Self {
        one("bmm", &[T(self), T(other)])
    }

    /// Matrix times vector.
    pub(super) fn mv(&self, vector: &Self) -> Self {
        one("mv", &[T(self), T(vector)])
    }

    /// `self += a · b`, in place.
    pub(super) fn add_mm(&self, a: &Self, b: &Self) {
        self.write_mm(1.0, (a, b), 1.0);
    }

    /// `factor · self · other`
    pub(super) fn mm_times(&self, other: &Self, factor: f64) -> Self {
        let out = Self::empty(self.place(), &[self.shape()[0], other.shape()[1]], self.number());
        out.write_mm(0.0, (self, other), factor);
        out
    }

    /// `self = keep · self + factor · a · b`
    fn write_mm(&self, keep: f64, (a, b): (&Self, &Self), factor: f64) {
        let addmm = self.place().shims.addmm;
        launches::count("addmm");
        // SAFETY: it borrows all of them; the result goes where the first summand is, which torch allows. Where nothing is kept, what
        // was there is not read.
        check(unsafe { addmm(self.raw(), self.raw(), a.raw(), b.raw(), keep, factor) }, "addmm");
    }

    /// The last two dimensions swapped, without moving a number.
    pub(super) fn swapped(&self, a: i64, b: i64) -> Self {
        one("transpose.int", &[T(self), Int(a), Int(b)])
    }

    /// The same numbers in another shape, put in order first where they do not lie in it.
    pub(super) fn reshaped(&self, shape: &[i64]) -> Self {
        let reshaped = one("reshape", &[T(self), Ints(shape)]);
        if reshaped.data() != self.data() {
            launches::count("copy");
        }
        reshaped
    }

    /// The last dimension turned round by so many places.
    pub(super) fn rolled(&self, places: i64) -> Self {
        one("roll", &[T(self), Ints(&[places]), Ints(&[-1])])
    }

    /// Repeated along dimensions of size 1, without moving a number.
    pub(super) fn expanded(&self, shape: &[i64]) -> Self {
        one("expand", &[T(self), Ints(shape), Bool(false)])
    }

    /// Rows of the first dimension.
    pub(super) fn rows(&self, ids: &Self) -> Self {
        one("index_select", &[T(self), Int(0), T(ids)])
    }

    /// The rows from `first` on, without moving a number.
    pub(super) fn narrow(&self, dim: i64, first: i64, len: i64) -> Self {
        one("slice.Tensor", &[T(self), Int(dim), Some(&Int(first)), Some(&Int(first + len)), Int(1)])
    }

    /// A matrix to whose rows `ids` other rows are added.
    pub(super) fn with_rows_added(&self, ids: &Self, rows: &Self) -> Self {
        let index = ids.view(&[-1, 1]).expanded(rows.shape());
        one("scatter_add", &[T(self), Int(0), T(&index), T(&rows.to(self.number()))])
    }

    /// One after another along the first or another dimension.
    pub(super) fn cat(parts: &[Self], dim: i64) -> Self {
        if let [only] = parts { only.clone() } else { one("cat", &[Tensors(parts), Int(dim)]) }
    }

    /// GELU by its approximation with a tanh.
    pub(super) fn gelu(&self) -> Self {
        one("gelu", &[T(self), Text("tanh")])
    }

    /// From the gradient at [`Tensor::gelu`] of `input` to that at the input.
    pub(super) fn gelu_backward(&self, input: &Self) -> Self {
        one("gelu_backward", &[T(self), T(input), Text("tanh")])
    }

    /// From the gradient at `silu(input)` to that at the input.
    pub(super) fn silu_backward(&self, input: &Self) -> Self {
        one("silu_backward", &[T(self), T(input)])
    }

    /// Running sums along the last dimension.
    pub(super) fn running_sums(&self) -> Self {
        one("cumsum", &[T(self), Int(-1), None])
    }

    /// The last dimension sorted, the largest first, and where each number was.
    pub(super) fn sorted(&self) -> [Self; 2] {
        call("sort", &[T(self), Int(-1), Bool(true)])
    }

    /// Whether each number is at most its partner.
    pub(super) fn at_most(&self, other: &Self) -> Self {
        one("le.Tensor", &[T(self), T(other)])
    }

    /// Whether each number equals its partner.
    pub(super) fn equals(&self, other: &Self) -> Self {
        one("eq.Tensor", &[T(self), T(other)])
    }
}
