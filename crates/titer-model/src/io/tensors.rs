//! Tensors of a safetensors file.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use safetensors::{SafeTensorError, SafeTensors, tensor::TensorView};

use crate::{
    backend::Backend,
    real::Real,
    stored::{Dtype, Stored},
};

/// Name and shape of a tensor.
pub(super) type NamedShape<'a> = (String, &'a [usize]);

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

/// The bytes of a file, in memory or mapped into it.
pub(super) type Bytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// Where the numbers of each of these names and shapes lie in a file.
///
/// Fails where a tensor is missing, left over, of another shape, of a type that is not f32, f16 or bf16, or holds a
/// number that is not finite; the problem names the tensor.
pub(super) fn find<'a>(file: &Bytes, wanted: impl IntoIterator<Item = NamedShape<'a>>) -> Result<Vec<Stored>, String> {
    let (header_len, header) = SafeTensors::read_metadata((**file).as_ref()).map_err(unreadable)?;
    let start = header_len + size_of::<u64>();
    let mut left: BTreeSet<String> = header.tensors().into_keys().collect();
    let mut tensors = Vec::new();
    for (name, shape) in wanted {
        let tensor = header.info(&name).ok_or_else(|| missing(&name))?;
        if tensor.shape != shape {
            return Err(format!("tensor `{name}` has shape {:?}; the config asks for {shape:?}", tensor.shape));
        }
        let dtype = dtype(tensor.dtype)
            .ok_or_else(|| format!("tensor `{name}` has type {:?}; titer reads F32, F16 and BF16", tensor.dtype))?;
        let (from, to) = tensor.data_offsets;
        let stored = Stored::new(file.clone(), start + from..start + to, dtype);
        if let Some((at, number)) = stored.not_finite() {
            return Err(format!("tensor `{name}` holds {number} at index {at}"));
        }
        tensors.push(stored);
        left.remove(&name);
    }
    none_left(left.iter().map(String::as_str))?;
    Ok(tensors)
}

/// [`find`], in the backend's numbers.
pub(super) fn read<'a, B: Backend>(
    backend: &B,
    wanted: impl IntoIterator<Item = NamedShape<'a>>,
    bytes: &[u8],
) -> Result<Vec<B::Buffer>, String> {
    let file: Bytes = Arc::new(bytes.to_vec());
    Ok(find(&file, wanted)?.iter().map(|stored| backend.upload(stored.numbers())).collect())
}

/// The only tensor of a file: its shape and its numbers.
///
/// # Errors
/// Where the file cannot be read, holds another number of tensors, or as [`find`].
pub fn only_tensor(bytes: &[u8]) -> Result<(Vec<usize>, Vec<f32>), String> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(unreadable)?;
    let mut names: Vec<String> = header.tensors().into_keys().collect();
    names.sort_unstable();
    let [name] = names.as_slice() else {
        let listed = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        return Err(format!("it holds {} tensors ({listed}), and one is wanted: save that alone", names.len()));
    };
    let shape = header.info(name).map(|tensor| tensor.shape.clone()).unwrap_or_default();
    let file: Bytes = Arc::new(bytes.to_vec());
    let [stored] = find(&file, [(name.clone(), shape.as_slice())])?.try_into().expect("one was asked for");
    Ok((shape, stored.numbers()))
}

fn dtype(dtype: safetensors::Dtype) -> Option<Dtype> {
    match dtype {
        safetensors::Dtype::F32 => Some(Dtype::F32),
        safetensors::Dtype::F16 => Some(Dtype::F16),
        safetensors::Dtype::BF16 => Some(Dtype::Bf16),
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
    let view = |shape: &[usize], bytes| {
        TensorView::new(safetensors::Dtype::F32, shape.to_vec(), bytes).expect("bytes fit the shape")
    };
    let views = tensors.iter().map(|(name, shape, bytes)| (name.as_str(), view(shape, bytes)));
    safetensors::serialize(views, Some(metadata)).expect("names are unique and shapes fit")
}
