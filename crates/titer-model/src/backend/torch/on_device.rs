//! A device that was opened, its buffers, and what several operations have in common.

use std::{marker::PhantomData, path::Path};

use super::{
    TorchDevice,
    error::TorchError,
    library::{Library, library},
    placed::ids,
    tensor::{Number, Place, Tensor},
};
use crate::{
    backend::{Matrix, Write},
    real::Real,
};

/// Computes on one of torch's devices; weights that move, gradients, moments and directions in `T`.
#[derive(Clone, Copy, Debug)]
pub struct Torch<T> {
    device: TorchDevice,
    pub(super) place: Place,
    /// Of activations, and of products with weights that nothing moves.
    pub(super) activations: Number,
    numbers: PhantomData<T>,
}

/// A buffer on a device.
#[derive(Clone, Debug, Default)]
pub struct TorchBuffer(pub(super) Option<Tensor>);

/// A weight that nothing moves, on a device, in the number type of its file: `[rows, columns]`.
#[derive(Clone, Debug)]
pub struct TorchFrozen(pub(super) Tensor);

/// Tokens, positions or rows, on a device.
#[derive(Clone, Debug)]
pub struct TorchIds(pub(super) Tensor);

impl TorchBuffer {
    pub(super) fn new(tensor: Tensor) -> Self {
        Self(Some(tensor))
    }

    pub(super) fn tensor(&self) -> &Tensor {
        self.0.as_ref().expect("an empty buffer is not read")
    }

    /// As a matrix with rows of this width.
    pub(super) fn matrix(&self, width: usize) -> Tensor {
        self.tensor().view(&[-1, width as i64])
    }
}

impl<T: Real> Torch<T> {
    /// The backend of a device, by the torch whose libraries lie in `folder`, such as `site-packages/torch/lib`.
    ///
    /// # Errors
    /// Where torch cannot be opened, is too old, has no such device, or the device does not answer.
    pub fn open(folder: &Path, device: TorchDevice) -> Result<Self, TorchError> {
        let library = Library::open(folder)?;
        let (version, folder) = (library.version(), folder.to_owned());
        let Some(shims) = library.shims(device) else {
            let problem = library.lacks().unwrap_or("it was built for other devices").to_owned();
            return Err(TorchError::NoSuchKind { version, folder, device, problem });
        };
        let place = Place { device: library.place(device), shims };
        let opened = Self { device, place, activations: Self::REAL, numbers: PhantomData };
        // The device is first touched here, and says so where it is not there.
        TorchError::caught(|| Tensor::zeros(place, &[1], Self::REAL).read()).map_err(|error| match error {
            TorchError::Failed { problem, .. } => {
                let problem = problem.lines().next().unwrap_or_default().to_owned();
                TorchError::NoDevice { device, problem }
            }
            error => error,
        })?;
        Ok(opened)
    }

    pub(super) const REAL: Number = if size_of::<T>() == 8 { Number::F64 } else { Number::F32 };

    /// The same with activations in bf16: products with frozen weights too, while what moves stays as it is.
    pub fn with_bf16(self) -> Self {
        Self { activations: Number::Bf16, ..self }
    }

    /// The type of activations, for people.
    pub fn activations(&self) -> &'static str {
        match self.activations {
            Number::Bf16 => "bf16",
            Number::F64 => "f64",
            _ => "f32",
        }
    }

    /// Where it computes.
    pub fn device(&self) -> TorchDevice {
        self.device
    }

    /// Version of torch, such as `2.15`.
    pub fn version(&self) -> String {
        library().version()
    }

    /// Whether this torch is later than the last that titer was tried with.
    pub fn is_untried(&self) -> bool {
        library().is_untried()
    }

    /// Bytes of memory of a CUDA device: free, and all.
    pub fn memory(&self) -> Option<(usize, usize)> {
        if self.device.kind() == 1 { library().memory() } else { None }
    }

    /// The number type of sums over rows: f64 where the device has it.
    pub(super) fn sums_number(&self) -> Number {
        if self.device == TorchDevice::Mps { Number::F32 } else { Number::F64 }
    }

    pub(super) fn tensor_of(&self, values: &[T]) -> Tensor {
        let shape = [values.len() as i64];
        let bytes: Vec<u8> = match Self::REAL {
            Number::F64 => values.iter().flat_map(|value| value.f64().to_le_bytes()).collect(),
            _ => values.iter().flat_map(|value| (value.f64() as f32).to_le_bytes()).collect(),
        };
        Tensor::from_bytes(self.place, &bytes, &shape, Self::REAL)
    }

    pub(super) fn host(&self, tensor: &Tensor) -> Vec<T> {
        tensor.read().into_iter().map(T::of).collect()
    }

    /// A matrix of activations or weights, as a product uses it: the first numbers of its buffer.
    pub(super) fn factor(&self, matrix: Matrix<'_, TorchBuffer>, number: Number) -> Tensor {
        let (tensor, rows, columns) = (matrix.data.tensor().to(number), matrix.rows as i64, matrix.columns as i64);
        if matrix.transposed {
            tensor.strided(&[columns, rows], &[1, columns])
        } else {
            tensor.strided(&[rows, columns], &[columns, 1])
        }
    }

    pub(super) fn product(&self, out: &mut TorchBuffer, write: Write, product: impl Fn(Number) -> (Tensor, Tensor)) {
        match (write, &out.0) {
            (Write::Add, Some(sum)) => {
                let (a, b) = product(sum.number());
                let shape = [a.shape()[0], b.shape()[1]];
                let sum = if sum.is_alone() { sum.clone() } else { sum.copied() };
                sum.view(&shape).add_mm(&a, &b);
                *out = TorchBuffer::new(sum);
            }
            (Write::Add, None) => unreachable!("a product is added to numbers"),
            (Write::Replace, _) => {
                let (a, b) = product(self.activations);
                *out = TorchBuffer::new(a.mm(&b));
            }
        }
    }

    /// Positions' cosines and sines, `[positions, 1, width / 2]` each, in at least f32.
    pub(super) fn angles(&self, table: &TorchBuffer, positions: &Tensor, head_width: usize) -> (Tensor, Tensor) {
        let half = head_width as i64 / 2;
        let of = table.matrix(head_width).rows(positions);
        let part = |first| of.narrow(1, first, half).reshaped(&[-1, 1, half]);
        (part(0), part(half))
    }

    /// A softcap's result and its derivative.
    pub(super) fn capped(x: &Tensor, cap: f64) -> (Tensor, Tensor) {
        let tanh = x.times_number(1.0 / cap).each("tanh");
        let slopes = tanh.times(&tanh).times_number(-1.0).plus_number(1.0);
        (tanh.times_number(cap), slopes)
    }

    /// Places in `[_, vocabulary]`, counted through both dimensions.
    pub(super) fn flat(&self, rows: &Tensor, tokens: &Tensor, vocabulary: usize) -> Tensor {
        let starts = rows.times(&ids(self.place, [vocabulary]));
        // A sum over two rows: addition proper takes a factor, and that of whole numbers is not a float.
        Tensor::cat(&[starts, tokens.clone()], 0).view(&[2, -1]).sum(&[0], false)
    }

    /// `dy ⊙ x · r`
    pub(super) fn scale_products(
        &self,
        dy: &TorchBuffer,
        x: &TorchBuffer,
        inverse_rms: &TorchBuffer,
        width: usize,
    ) -> Tensor {
        let (x, dy) = (x.matrix(width).to(Self::REAL), dy.matrix(width).to(Self::REAL));
        dy.times(&x).times(&inverse_rms.tensor().view(&[-1, 1]))
    }
}
