//! Buffers as tensors of a safetensors file.

use std::collections::HashMap;

use safetensors::{Dtype, SafeTensorError, SafeTensors, tensor::TensorView};

use crate::{backend::Backend, real::Real};

/// Name and shape of a tensor.
pub(super) type Wanted<'a> = (String, &'a [usize]);

/// What older versions of transformers saved beside the weights: constants.
const CONSTANTS: &str = ".rotary_emb.inv_freq";

/// The names of a file's tensors.
pub(super) fn names(bytes: &[u8]) -> Result<Vec<String>, String> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(unreadable)?;
    Ok(header.tensors().into_keys().collect())
}

fn unreadable(error: SafeTensorError) -> String {
    format!("not a safetensors file: {error}")
}

pub(super) fn missing(name: &str) -> String {
    format!("tensor `{name}` is missing")
}

/// Fails where a tensor is left that nobody wanted.
pub(super) fn none_left<'a>(left: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut left: Vec<&str> = left.filter(|name| !name.ends_with(CONSTANTS)).collect();
    left.sort_unstable();
    match left.first() {
        Some(name) => Err(format!("tensor `{name}` belongs to no part of the model ({} left over)", left.len())),
        None => Ok(()),
    }
}

/// Reads a buffer for each of these names and shapes.
///
/// Fails where a tensor is missing, left over, of another shape, of a type that is not f32, f16 or bf16, or holds a
/// number that is not finite; the problem names the tensor.
pub(super) fn read<'a, B: Backend>(
    backend: &B,
    wanted: impl IntoIterator<Item = Wanted<'a>>,
    bytes: &[u8],
) -> Result<Vec<B::Buffer>, String> {
    let file = SafeTensors::deserialize(bytes).map_err(unreadable)?;
    let mut left: Vec<&str> = file.names();
    let mut buffers = Vec::new();
    for (name, shape) in wanted {
        let tensor = file.tensor(&name).map_err(|_| missing(&name))?;
        if tensor.shape() != shape {
            return Err(format!("tensor `{name}` has shape {:?}; the config asks for {shape:?}", tensor.shape()));
        }
        let values = decode(&tensor)
            .ok_or_else(|| format!("tensor `{name}` has type {:?}; titer reads F32, F16 and BF16", tensor.dtype()))?;
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(format!("tensor `{name}` holds {} at index {at}", values[at]));
        }
        buffers.push(backend.upload(values.into_iter().map(|value| B::Real::of(value.into())).collect()));
        left.retain(|other| *other != name);
    }
    none_left(left.into_iter())?;
    Ok(buffers)
}

/// The numbers of a tensor as f32; `None` where its type is not read.
fn decode(tensor: &TensorView<'_>) -> Option<Vec<f32>> {
    let bytes = tensor.data();
    let halves = || bytes.as_chunks::<2>().0.iter().map(|&pair| u16::from_le_bytes(pair));
    match tensor.dtype() {
        Dtype::F32 => Some(bytes.as_chunks::<4>().0.iter().map(|&quad| f32::from_le_bytes(quad)).collect()),
        Dtype::F16 => Some(halves().map(|bits| half::f16::from_bits(bits).to_f32()).collect()),
        Dtype::BF16 => Some(halves().map(|bits| half::bf16::from_bits(bits).to_f32()).collect()),
        _ => None,
    }
}

/// What transformers and PEFT want to find in a file's metadata.
pub(super) fn of_torch() -> HashMap<String, String> {
    [("format".to_owned(), "pt".to_owned())].into()
}

/// A safetensors file with these buffers in f32, by name and shape, and this metadata. Equal buffers give equal bytes.
pub(super) fn write<'a, B: Backend>(
    backend: &B,
    buffers: impl IntoIterator<Item = (String, &'a [usize], &'a B::Buffer)>,
    metadata: HashMap<String, String>,
) -> Vec<u8>
where
    B::Buffer: 'a,
{
    let tensors: Vec<(String, &[usize], Vec<u8>)> = buffers
        .into_iter()
        .map(|(name, shape, buffer)| {
            let bytes = backend.download(buffer).iter().flat_map(|value| (value.f64() as f32).to_le_bytes()).collect();
            (name, shape, bytes)
        })
        .collect();
    let view =
        |shape: &[usize], bytes| TensorView::new(Dtype::F32, shape.to_vec(), bytes).expect("bytes fit the shape");
    let views = tensors.iter().map(|(name, shape, bytes)| (name.as_str(), view(shape, bytes)));
    safetensors::serialize(views, Some(metadata)).expect("names are unique and shapes fit")
}
