//! A device that was opened, its buffers, and what several operations have in common.

use std::{
    marker::PhantomData,
    path::Path,
    sync::{Arc, OnceLock},
};

use super::{
    TorchDevice,
    error::TorchError,
    kernel_use::KernelUse,
    launches,
    library::{Library, library, opened_in},
    placed::ids,
    rope::Angles,
    tensor::{Number, Place, Tensor},
    transfer::Lent,
};
use crate::{
    backend::{Matrix, Write},
    real::Real,
    stored::{Dtype, Stored},
};

/// Computes on one of torch's devices; weights that move, gradients, moments and directions in `T`.
#[derive(Clone, Copy, Debug)]
pub struct Torch<T> {
    device: TorchDevice,
    pub(super) place: Place,
    /// Of activations, and of products with weights that nothing moves.
    pub(super) activations: Number,
    /// Which of torch's kernels for attention and norms are used.
    pub(super) kernels: KernelUse,
    /// Bytes of memory that are thought to be there.
    limit: Option<usize>,
    /// Bytes of memory that the model takes.
    taken: usize,
    /// Bytes of memory that weights may take which nothing moves; the others stay in main memory.
    for_frozen: usize,
    numbers: PhantomData<T>,
}

/// A buffer on a device.
#[derive(Clone, Debug, Default)]
pub struct TorchBuffer {
    tensor: Option<Tensor>,
    /// The same in the numbers of activations, once a product has asked for it: what is written makes another buffer.
    short: Arc<OnceLock<Tensor>>,
    /// Whether bf16 holds these numbers exactly, where that is known.
    is_exact: bool,
}

/// A weight that nothing moves, in the number type of its file: `[rows, columns]`.
#[derive(Clone, Debug)]
pub struct TorchFrozen(Held);

/// Where it is.
#[derive(Clone, Debug)]
enum Held {
    /// On the device.
    Here(Tensor),
    /// In its file, mapped into main memory, for the device to read.
    Beside(Lent),
}

impl TorchFrozen {
    /// A stored weight on a device.
    pub(super) fn here(stored: &Stored, columns: usize, place: Place) -> Self {
        let (number, shape) = form(stored, columns);
        Self(Held::Here(Tensor::from_bytes(place, stored.bytes(), &shape, number)))
    }

    /// A stored weight that stays where it is.
    pub(super) fn beside(stored: &Stored, columns: usize, place: Place) -> Self {
        let (number, shape) = form(stored, columns);
        Self(Held::Beside(Lent::new(stored.clone(), place, &shape, number)))
    }

    /// On this device: brought there for as long as it is used, where it stays in its file.
    pub(super) fn on(&self, place: Place) -> Tensor {
        match &self.0 {
            Held::Here(weight) => weight.clone(),
            Held::Beside(weight) => weight.brought(place),
        }
    }
}

/// The number type and the shape of a stored weight.
fn form(stored: &Stored, columns: usize) -> (Number, [i64; 2]) {
    let number = match stored.dtype() {
        Dtype::F32 => Number::F32,
        Dtype::Bf16 => Number::Bf16,
        Dtype::F16 => Number::F16,
    };
    (number, [(stored.len() / columns) as i64, columns as i64])
}

/// Tokens, positions or rows, on a device.
#[derive(Clone, Debug)]
pub struct TorchIds {
    pub(super) ids: Tensor,
    pub(super) angles: Angles,
}

impl TorchBuffer {
    pub(super) fn new(tensor: Tensor) -> Self {
        Self { tensor: Some(tensor), ..Self::default() }
    }

    /// What it holds; `None` where it is empty.
    pub(super) fn filled(&self) -> Option<&Tensor> {
        self.tensor.as_ref()
    }

    pub(super) fn tensor(&self) -> &Tensor {
        self.filled().expect("an empty buffer is not read")
    }

    /// What it holds, which it holds no longer.
    pub(super) fn take(&mut self) -> Tensor {
        std::mem::take(self).tensor.expect("an empty buffer is not written to")
    }

    /// The same numbers in another type.
    pub(super) fn in_numbers(&self, number: Number) -> Tensor {
        match (self.tensor().number(), number) {
            (own, number) if own == number => self.tensor().clone(),
            (Number::F32, Number::Bf16) => self.short.get_or_init(|| self.tensor().to(number)).clone(),
            _ => self.tensor().to(number),
        }
    }

    /// The same numbers in another type, where that is known to hold them exactly.
    pub(super) fn exact_in(&self, number: Number) -> Option<Tensor> {
        (self.is_exact && number == Number::Bf16).then(|| self.in_numbers(number))
    }

    /// As a matrix with rows of this width.
    pub(super) fn matrix(&self, width: usize) -> Tensor {
        self.tensor().view(&[-1, width as i64])
    }
}

impl<T: Real> Torch<T> {
    /// The folder of the torch that this process has opened, where it has: there is one in a process.
    pub fn folder() -> Option<&'static Path> {
        opened_in()
    }

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
        let opened = Self {
            device,
            place,
            activations: Self::REAL,
            kernels: KernelUse::Full,
            limit: None,
            taken: 0,
            for_frozen: usize::MAX,
            numbers: PhantomData,
        };
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

    /// The same with activations in the numbers of all else.
    pub fn in_full(self) -> Self {
        Self { activations: Self::REAL, ..self }
    }

    /// The same with these kernels for attention and norms alone, for a device that has others which are wrong.
    pub fn with_kernels(self, kernels: KernelUse) -> Self {
        Self { kernels, ..self }
    }

    /// Which of torch's kernels for attention and norms are used.
    pub fn kernels(&self) -> KernelUse {
        self.kernels
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

    /// What tells this torch and this device from others that have the same name: the version in full, and of a CUDA device its card, by name
    /// and number, and its memory.
    pub fn identity(&self) -> String {
        let version = library().full_version();
        if self.device.kind() != 1 {
            return format!("{version}, {}", self.device);
        }
        let memory = library().memory(self.device.index()).map_or(0, |(_, all)| all);
        format!("{version}, {}, {}, {memory} bytes", self.device, library().card(self.device.index()))
    }

    /// Whether this torch is later than the last that titer was tried with.
    pub fn is_untried(&self) -> bool {
        library().is_untried()
    }

    /// Operations that this thread has asked torch for so far: launches, on a GPU.
    pub fn launches(&self) -> u64 {
        launches::asked()
    }

    /// The same with no more memory than so many bytes, as far as what is asked for in advance goes.
    pub fn with_memory(self, bytes: usize) -> Self {
        Self { limit: Some(bytes), ..self }
    }

    /// Bytes of memory of a CUDA device, or of one with a limit: free, and all.
    pub fn memory(&self) -> Option<(usize, usize)> {
        let own = if self.device.kind() == 1 { library().memory(self.device.index()) } else { None };
        match (own, self.limit) {
            (Some((free, all)), Some(limit)) => Some((free.min(limit), all.min(limit))),
            (own, limit) => own.or(limit.map(|limit| (limit, limit))),
        }
    }

    /// The same where a model takes so many bytes of memory, so that batches have the rest.
    pub fn with_taken(self, bytes: usize) -> Self {
        Self { taken: bytes, ..self }
    }

    /// The same where no more than so many bytes of memory are for weights that nothing moves; the others stay in main memory, and are brought
    /// to the device for each product.
    pub fn with_frozen_in(self, bytes: usize) -> Self {
        Self { for_frozen: bytes, ..self }
    }

    /// How many bytes of memory are for weights that nothing moves.
    pub fn for_frozen(&self) -> usize {
        self.for_frozen
    }

    /// Bytes of memory that batches may take, where that is limited: of all memory, since what is free does not count what torch keeps for itself to
    /// use again. An Apple GPU does not say how much it has.
    pub(super) fn room(&self) -> Option<usize> {
        const UNSAID: usize = 8 << 30;
        let unsaid = || (self.device == TorchDevice::Mps).then_some(UNSAID);
        self.memory().map(|(_, all)| all).or_else(unsaid).map(|all| all.saturating_sub(self.taken))
    }

    /// The number type of sums over rows: f64 where the device has it.
    pub(super) fn sums_number(&self) -> Number {
        if self.device == TorchDevice::Mps { Number::F32 } else { Number::F64 }
    }

    pub(super) fn tensor_of(&self, values: &[T]) -> Tensor {
        Tensor::of_numbers(self.place, &values.iter().map(|value| value.f64()).collect::<Vec<_>>(), Self::REAL)
    }

    /// A buffer with these numbers.
    pub(super) fn buffer_of(&self, values: &[T]) -> TorchBuffer {
        // Of scales alone is it asked; a weight is long.
        const LONGEST: usize = 1 << 16;
        let exact = |value: &T| (value.f64() as f32).to_bits().trailing_zeros() >= 16;
        let is_exact = values.len() <= LONGEST && values.iter().all(exact);
        TorchBuffer { is_exact, ..TorchBuffer::new(self.tensor_of(values)) }
    }

    pub(super) fn host(&self, tensor: &Tensor) -> Vec<T> {
        tensor.read().into_iter().map(T::of).collect()
    }

    /// A matrix of activations or weights, as a product uses it: the first numbers of its buffer.
    pub(super) fn factor(&self, matrix: Matrix<'_, TorchBuffer>, number: Number) -> Tensor {
        let (tensor, rows, columns) = (matrix.data.in_numbers(number), matrix.rows as i64, matrix.columns as i64);
        if matrix.transposed {
            tensor.strided(&[columns, rows], &[1, columns])
        } else {
            tensor.strided(&[rows, columns], &[columns, 1])
        }
    }

    pub(super) fn product(&self, out: &mut TorchBuffer, write: Write, product: impl Fn(Number) -> (Tensor, Tensor)) {
        match (write, out.filled()) {
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
