//! Tensors: handles that libtorch gave out, with the shape and type that they have.

use std::{ffi::c_void, sync::Arc};

use super::{
    error::TorchError,
    library::{Handle, Shims, library},
};

/// The number types that are used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    F64,
    F32,
    Bf16,
    F16,
    I64,
    Bool,
}

impl Number {
    const ALL: [Self; 6] = [Self::F64, Self::F32, Self::Bf16, Self::F16, Self::I64, Self::Bool];

    /// What libtorch calls it.
    pub(super) fn code(self) -> i32 {
        library().dtypes[self as usize]
    }

    /// Bytes of one.
    pub(super) fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 => 4,
            Self::Bf16 | Self::F16 => 2,
            Self::Bool => 1,
        }
    }

    /// Whether it has 16 bits.
    pub(super) fn is_short(self) -> bool {
        matches!(self, Self::Bf16 | Self::F16)
    }

    fn of_code(code: i32) -> Self {
        let of = Self::ALL.into_iter().find(|number| number.code() == code);
        of.unwrap_or_else(|| panic!("an operation gave numbers of type {code}, which none should"))
    }
}

/// Owns a handle.
#[derive(Debug)]
struct Owned(Handle);

// SAFETY: libtorch counts references atomically, and an operation may be called on any thread.
unsafe impl Send for Owned {}
// SAFETY: as above.
unsafe impl Sync for Owned {}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: the handle is owned, and deleted once.
        unsafe { (library().delete)(self.0) };
    }
}

/// A tensor. A clone is the same one.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    handle: Arc<Owned>,
    shape: Vec<i64>,
    number: Number,
    place: Place,
}

/// Ends the work with what libtorch says, where something went wrong.
pub(super) fn check(status: i32, operation: &str) {
    if status != 0 {
        TorchError::Failed { operation: operation.to_owned(), problem: library().last_failure() }.throw();
    }
}

/// Where tensors are made, and the functions there.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) device: (i32, i32),
    pub(super) shims: Shims,
}

impl Place {
    /// Main memory.
    pub(super) fn host(self) -> Self {
        Self { device: (library().cpu, -1), ..self }
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.device)
    }
}

fn strides(shape: &[i64]) -> Vec<i64> {
    let mut strides = vec![1; shape.len()];
    for at in (1..shape.len()).rev() {
        strides[at - 1] = strides[at] * shape[at];
    }
    strides
}

impl Tensor {
    /// Owns a handle that an operation gave.
    pub(super) fn owning(handle: Handle, place: Place) -> Self {
        let library = library();
        let (mut dim, mut sizes, mut code) = (0, std::ptr::null_mut(), 0);
        // SAFETY: these read the tensor; the sizes are valid as long as the tensor is.
        let shape = unsafe {
            check((library.dim)(handle, &mut dim), "dim");
            check((library.sizes)(handle, &mut sizes), "sizes");
            check((library.dtype)(handle, &mut code), "dtype");
            if dim == 0 { Vec::new() } else { std::slice::from_raw_parts(sizes, dim as usize).to_vec() }
        };
        Self { handle: Arc::new(Owned(handle)), shape, number: Number::of_code(code), place }
    }

    /// Owns a handle of a tensor that is none, which stands for one that is left out.
    pub(super) fn left_out(handle: Handle, place: Place) -> Self {
        Self { handle: Arc::new(Owned(handle)), shape: vec![0], number: Number::F32, place }
    }

    /// Unspecified numbers.
    pub(super) fn empty(place: Place, shape: &[i64], number: Number) -> Self {
        let mut handle = std::ptr::null_mut();
        let strides = strides(shape);
        let (dim, (kind, index)) = (shape.len() as i64, place.device);
        // SAFETY: as many sizes and strides as dimensions.
        let status = unsafe {
            (library().empty)(dim, shape.as_ptr(), strides.as_ptr(), number.code(), kind, index, &mut handle)
        };
        check(status, "empty");
        Self { handle: Arc::new(Owned(handle)), shape: shape.to_vec(), number, place }
    }

    /// Numbers that lie in memory already.
    ///
    /// # Safety
    /// They must lie there, in order, as long as this tensor or a clone of it is used, and nothing may write to it.
    pub(super) unsafe fn lying_at(numbers: *const u8, place: Place, shape: &[i64], number: Number) -> Self {
        let (strides, mut handle) = (strides(shape), std::ptr::null_mut());
        let (dim, (kind, index), numbers) = (shape.len() as i64, place.device, numbers.cast_mut().cast());
        // SAFETY: as many sizes and strides as dimensions; of the numbers the caller says so.
        let status = unsafe {
            let (shape, strides) = (shape.as_ptr(), strides.as_ptr());
            (library().lying_at)(numbers, dim, shape, strides, 0, number.code(), kind, index, &mut handle)
        };
        check(status, "a tensor of numbers that are there");
        Self { handle: Arc::new(Owned(handle)), shape: shape.to_vec(), number, place }
    }

    /// Where the numbers lie, in memory of its device.
    pub(super) fn data(&self) -> *mut c_void {
        let mut data = std::ptr::null_mut();
        // SAFETY: it reads where the numbers lie.
        check(unsafe { (library().data)(self.raw(), &mut data) }, "data");
        data
    }

    /// The handle, for a function that borrows it.
    pub(super) fn raw(&self) -> Handle {
        self.handle.0
    }

    /// Where it is.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Its sizes.
    pub(super) fn shape(&self) -> &[i64] {
        &self.shape
    }

    /// Its number type.
    pub(super) fn number(&self) -> Number {
        self.number
    }

    /// How many numbers it holds.
    pub(super) fn len(&self) -> usize {
        self.shape.iter().product::<i64>() as usize
    }

    /// Whether nobody else refers to it, so that it may be written to.
    pub(super) fn is_alone(&self) -> bool {
        Arc::strong_count(&self.handle) == 1
    }

    /// The same numbers, which lie in order, in another shape; one size may be -1.
    pub(super) fn view(&self, shape: &[i64]) -> Self {
        let known: i64 = shape.iter().filter(|&&size| size >= 0).product();
        let rest = if known == 0 { 0 } else { self.len() as i64 / known };
        let shape: Vec<i64> = shape.iter().map(|&size| if size < 0 { rest } else { size }).collect();
        if shape == self.shape {
            return self.clone();
        }
        assert_eq!(shape.iter().product::<i64>(), self.len() as i64, "{:?} as {shape:?}", self.shape);
        self.strided(&shape, &strides(&shape))
    }

    /// A matrix read transposed.
    pub(super) fn t(&self) -> Self {
        let &[rows, columns] = self.shape.as_slice() else { panic!("{:?} is no matrix", self.shape) };
        self.strided(&[columns, rows], &[1, columns])
    }

    /// These numbers, which lie in order, read with these strides.
    pub(super) fn strided(&self, shape: &[i64], strides: &[i64]) -> Self {
        self.strided_from(0, shape, strides)
    }

    /// The same from this number on.
    pub(super) fn strided_from(&self, first: i64, shape: &[i64], strides: &[i64]) -> Self {
        let furthest: i64 = shape.iter().zip(strides).map(|(size, stride)| (size - 1) * stride).sum();
        let within = shape.contains(&0) || first + furthest < self.len() as i64;
        assert!(within, "{shape:?} from {first} on is more than {:?}", self.shape);
        let mut handle = std::ptr::null_mut();
        // SAFETY: as many sizes as strides, which stay within the tensor.
        let status = unsafe {
            let reinterpret = library().reinterpret;
            reinterpret(self.raw(), shape.len() as i64, shape.as_ptr(), strides.as_ptr(), first, &mut handle)
        };
        check(status, "reinterpret");
        Self { handle: Arc::new(Owned(handle)), shape: shape.to_vec(), number: self.number, place: self.place }
    }
}
