//! Numbers on their way to a device and back.

use super::{
    call::{Argument, call},
    library::library,
    tensor::{Number, Place, Tensor},
};
use crate::stored::Stored;

impl Tensor {
    /// A tensor in main memory with these bytes, a copy of them.
    fn on_host(place: Place, bytes: &[u8], shape: &[i64], number: Number) -> Self {
        let host = Self::empty(place.host(), shape, number);
        assert_eq!(bytes.len(), host.len() * number.size(), "as many bytes as numbers");
        // SAFETY: the tensor has room for as many numbers of this type as its shape says.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), host.data().cast(), bytes.len()) };
        host
    }

    /// A tensor on a device with these numbers' bytes.
    pub(super) fn from_bytes(place: Place, bytes: &[u8], shape: &[i64], number: Number) -> Self {
        let host = Self::on_host(place, bytes, shape, number);
        if place.device.0 == library().cpu {
            return host;
        }
        let out = Self::empty(place, shape, number);
        let arguments = [Argument::Tensor(&out), Argument::Tensor(&host), Argument::Bool(false)];
        drop(call::<1>("copy_", &arguments));
        out
    }

    /// A tensor on a device with these numbers, in one of the types that hold fractions.
    pub(super) fn of_numbers(place: Place, values: &[f64], number: Number) -> Self {
        let shape = [values.len() as i64];
        let bytes: Vec<u8> = match number {
            Number::F64 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            _ => values.iter().flat_map(|value| (*value as f32).to_le_bytes()).collect(),
        };
        let exact = if number == Number::F64 { number } else { Number::F32 };
        Self::from_bytes(place, &bytes, &shape, exact).to(number)
    }

    /// Zeros.
    pub(super) fn zeros(place: Place, shape: &[i64], number: Number) -> Self {
        let out = Self::empty(place, shape, number);
        let [out] = call("zero_", &[Argument::Tensor(&out)]);
        out
    }

    /// The numbers, as f64.
    pub(super) fn read(&self) -> Vec<f64> {
        // Converted in main memory, since not every device has f64.
        let host = Self::empty(self.place().host(), self.shape(), self.number());
        drop(call::<1>("copy_", &[Argument::Tensor(&host), Argument::Tensor(self), Argument::Bool(false)]));
        let host = host.to(Number::F64);
        // SAFETY: the tensor holds as many f64 as its shape says, in order, and nothing else refers to it.
        unsafe { std::slice::from_raw_parts(host.data().cast(), self.len()) }.to_vec()
    }
}

/// Bytes of a file as a tensor in main memory, which a device reads from there: nothing is copied before.
#[derive(Clone, Debug)]
pub(super) struct Lent {
    // Dropped before the bytes that it refers to.
    tensor: Tensor,
    _file: Stored,
}

impl Lent {
    /// A stored weight as it lies in its file.
    pub(super) fn new(file: Stored, place: Place, shape: &[i64], number: Number) -> Self {
        let bytes = file.bytes();
        assert_eq!(bytes.len(), shape.iter().product::<i64>() as usize * number.size(), "as many bytes as numbers");
        // SAFETY: the bytes are as many as these numbers have, stay where they are as long as the file does, and are only read.
        let tensor = unsafe { Tensor::lying_at(bytes.as_ptr(), place.host(), shape, number) };
        Self { tensor, _file: file }
    }

    /// A copy of it on a device.
    pub(super) fn brought(&self, place: Place) -> Tensor {
        let out = Tensor::empty(place, self.tensor.shape(), self.tensor.number());
        drop(call::<1>("copy_", &[Argument::Tensor(&out), Argument::Tensor(&self.tensor), Argument::Bool(false)]));
        out
    }
}
