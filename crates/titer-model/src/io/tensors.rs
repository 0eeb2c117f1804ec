//! Parameters as tensors of a safetensors file.

use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::{backend::Backend, params::ParamSpec, real::Real};

/// Reads a tensor for each of these parameters, under the name that `name` gives it.
///
/// Fails where a tensor is missing, left over, of another shape, of a type that is not f32, f16 or bf16, or holds a
/// number that is not finite; the problem names the tensor.
pub(super) fn read<'a, B: Backend>(
    backend: &B,
    specs: impl IntoIterator<Item = &'a ParamSpec>,
    bytes: &[u8],
    name: impl Fn(&ParamSpec) -> String,
) -> Result<Vec<B::Buffer>, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| format!("not a safetensors file: {error}"))?;
    let mut left: Vec<&str> = file.names();
    let mut buffers = Vec::new();
    for spec in specs {
        let name = name(spec);
        let tensor = file.tensor(&name).map_err(|_| format!("tensor `{name}` is missing"))?;
        if tensor.shape() != spec.shape {
            let (found, wanted) = (tensor.shape(), &spec.shape);
            return Err(format!("tensor `{name}` has shape {found:?}; the config asks for {wanted:?}"));
        }
        let values = decode(&tensor)
            .ok_or_else(|| format!("tensor `{name}` has type {:?}; titer reads F32, F16 and BF16", tensor.dtype()))?;
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(format!("tensor `{name}` holds {} at index {at}", values[at]));
        }
        buffers.push(backend.upload(values.into_iter().map(|value| B::Real::of(value.into())).collect()));
        left.retain(|other| *other != name);
    }
    left.sort_unstable();
    match left.first() {
        Some(name) => Err(format!("tensor `{name}` belongs to no part of the model ({} left over)", left.len())),
        None => Ok(buffers),
    }
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

/// A safetensors file with these parameters in f32, under the names that `name` gives them. Equal parameters give
/// equal bytes.
pub(super) fn write<'a, B: Backend>(
    backend: &B,
    params: impl IntoIterator<Item = (&'a ParamSpec, &'a B::Buffer)>,
    name: impl Fn(&ParamSpec) -> String,
) -> Vec<u8>
where
    B::Buffer: 'a,
{
    let tensors: Vec<(String, &[usize], Vec<u8>)> = params
        .into_iter()
        .map(|(spec, buffer)| {
            let bytes = backend.download(buffer).iter().flat_map(|value| (value.f64() as f32).to_le_bytes()).collect();
            (name(spec), spec.shape.as_slice(), bytes)
        })
        .collect();
    let view =
        |shape: &[usize], bytes| TensorView::new(Dtype::F32, shape.to_vec(), bytes).expect("bytes fit the shape");
    let views = tensors.iter().map(|(name, shape, bytes)| (name.as_str(), view(shape, bytes)));
    safetensors::serialize(views, Some([("format".to_owned(), "pt".to_owned())].into()))
        .expect("names are unique and shapes fit")
}
