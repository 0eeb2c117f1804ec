//! The weights of a model, found in its files and not yet anywhere else.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    error::LoadError,
    tensors::{self, Bytes, NamedShape},
    weight_files::WeightFiles,
};
use crate::{
    backend::Backend,
    decoder::Decoder,
    params::{Layout, ParamRole, ParamSpec, Params},
    real::Real,
    stored::{Dtype, Stored},
};

/// The output head. A file may hold it although it is tied to the embedding table, and then twice the same.
const HEAD: &str = "lm_head.weight";

/// The numbers of every parameter of a layout, as they lie in safetensors files.
#[derive(Clone, Debug)]
pub struct Weights {
    stored: Vec<Stored>,
    /// The file that an error is blamed on.
    path: PathBuf,
}

impl Weights {
    /// Those of a model folder, see [`WeightFiles::map`] and [`Weights::of_files`].
    ///
    /// Fails as these do.
    pub fn of_folder(layout: &Layout, folder: &Path) -> Result<Self, LoadError> {
        Self::of_files(layout, &WeightFiles::map(folder)?)
    }

    /// Those in the files of a folder, where they stay.
    ///
    /// Fails as [`Weights::of_bytes`] does.
    pub fn of_files(layout: &Layout, files: &WeightFiles) -> Result<Self, LoadError> {
        let WeightFiles { index, files, path } = files;
        let Some((_, index)) = index else {
            return Self::of_file(layout, Arc::clone(&files[path]), path);
        };
        let fail = LoadError::weights(path);
        let mut index = index.clone();
        let wanted = wanted(layout, index.contains_key(HEAD));
        let mut shards: BTreeMap<PathBuf, Vec<usize>> = BTreeMap::new();
        for (at, (name, _)) in wanted.iter().enumerate() {
            let shard = index.remove(name).ok_or_else(|| fail(tensors::missing(name)))?;
            shards.entry(shard).or_default().push(at);
        }
        tensors::none_left(index.keys().map(String::as_str)).map_err(&fail)?;
        let mut weights = vec![None; wanted.len()];
        for (shard, places) in shards {
            let of_shard = places.iter().map(|&at| wanted[at].clone());
            let stored = tensors::find(&files[&shard], of_shard).map_err(LoadError::weights(&shard))?;
            places.into_iter().zip(stored).for_each(|(at, stored)| weights[at] = Some(stored));
        }
        Self::checked(layout, weights.into_iter().flatten().collect(), path)
    }

    /// Those in the bytes of a safetensors file; `path` is for messages.
    ///
    /// Fails where a tensor is missing, left over, of another shape, of a type that is not f32, f16 or bf16, or holds a
    /// number that is not finite; the error names the tensor.
    pub fn of_bytes(layout: &Layout, bytes: Vec<u8>, path: &Path) -> Result<Self, LoadError> {
        Self::of_file(layout, Arc::new(bytes), path)
    }

    fn of_file(layout: &Layout, file: Bytes, path: &Path) -> Result<Self, LoadError> {
        let fail = LoadError::weights(path);
        let head = tensors::names((*file).as_ref()).map_err(&fail)?.iter().any(|name| name == HEAD);
        let stored = tensors::find(&file, wanted(layout, head)).map_err(fail)?;
        Self::checked(layout, stored, path)
    }

    /// Cuts tensors that hold several layers, and takes the head away where it is the embedding table once more.
    fn checked(layout: &Layout, stored: Vec<Stored>, path: &Path) -> Result<Self, LoadError> {
        let mut stored = cut(layout, stored);
        let table = layout.specs.iter().position(|spec| spec.role == ParamRole::Embedding);
        if let (Some(table), Some(head)) = (table, stored.get(layout.specs.len())) {
            let table = &stored[table];
            let same = if head.dtype() == table.dtype() {
                head.bytes() == table.bytes()
            } else {
                head.numbers::<f32>() == table.numbers::<f32>()
            };
            if !same {
                let problem = format!("`{HEAD}` is not the embedding table, and `tie_word_embeddings` says that it is");
                return Err(LoadError::weights(path)(problem));
            }
            stored.truncate(layout.specs.len());
        }
        Ok(Self { stored, path: path.to_owned() })
    }

    /// The same rounded to another number type.
    ///
    /// Fails where a number is too large for it; the error names the tensor.
    pub fn rounded(mut self, layout: &Layout, dtype: Dtype) -> Result<Self, LoadError> {
        for (stored, spec) in self.stored.iter_mut().zip(&layout.specs) {
            *stored = stored.rounded(dtype);
            if let Some((at, _)) = stored.not_finite() {
                let problem = format!("tensor `{}` is too large for {} at index {at}", spec.name, dtype.word());
                return Err(LoadError::weights(&self.path)(problem));
            }
        }
        Ok(self)
    }

    /// All of them in the backend's numbers, for training to move.
    pub fn upload<B: Backend>(&self, backend: &B, layout: &Layout) -> Params<B> {
        let specs = self.stored.iter().zip(&layout.specs);
        Params { buffers: specs.map(|(stored, spec)| upload(backend, stored, spec)).collect() }
    }

    /// A decoder that leaves its matrices in their files, and the rest in the backend's numbers. [`Decoder::thaw`] takes the
    /// matrices out.
    pub fn keep<B: Backend>(self, decoder: Decoder<B>) -> (Decoder<B>, Params<B>) {
        let (backend, specs) = (decoder.backend().clone(), &decoder.layout.specs);
        let stays = |spec: &ParamSpec| matches!(spec.role, ParamRole::Matrix | ParamRole::Embedding);
        let buffer = |(stored, spec): (&Stored, &ParamSpec)| {
            if stays(spec) { B::Buffer::default() } else { upload(&backend, stored, spec) }
        };
        let buffers = self.stored.iter().zip(specs).map(buffer).collect();
        let kept = self.stored.into_iter().zip(specs).map(|(stored, spec)| stays(spec).then_some(stored)).collect();
        (decoder.keeping(kept), Params { buffers })
    }
}

/// The numbers as the layers take them.
fn upload<B: Backend>(backend: &B, stored: &Stored, spec: &ParamSpec) -> B::Buffer {
    let mut numbers: Vec<B::Real> = stored.numbers();
    if spec.less_one {
        numbers.iter_mut().for_each(|number| *number += B::Real::of(1.0));
    }
    backend.upload(numbers)
}

/// The tensors of this layout in files, and last the head's, where the file has a head and the layout does not.
fn wanted(layout: &Layout, head: bool) -> Vec<NamedShape<'_>> {
    let mut wanted: Vec<NamedShape> = layout.specs.iter().filter_map(tensor).collect();
    let tied = layout.specs.iter().all(|spec| spec.name != HEAD);
    let table = layout.specs.iter().find(|spec| spec.role == ParamRole::Embedding && head && tied);
    wanted.extend(table.map(|spec| (HEAD.to_owned(), spec.shape.as_slice())));
    wanted
}

/// The tensor that begins with this parameter.
fn tensor(spec: &ParamSpec) -> Option<NamedShape<'_>> {
    match &spec.part {
        None => Some((spec.name.clone(), spec.shape.as_slice())),
        Some(part) if part.first == 0 => Some((part.tensor.clone(), part.shape.as_slice())),
        Some(_) => None,
    }
}

/// The weights of a layout, and what is behind them, from the tensors that [`wanted`] names.
fn cut(layout: &Layout, tensors: Vec<Stored>) -> Vec<Stored> {
    let mut tensors = tensors.into_iter();
    let mut whole = None;
    let mut weight = |spec: &ParamSpec| {
        let Some(part) = &spec.part else { return tensors.next() };
        if part.first == 0 {
            whole = tensors.next();
        }
        let first = part.first * part.shape[1];
        whole.as_ref().map(|whole| whole.part(first..first + spec.len()))
    };
    let mut weights: Vec<Stored> = layout.specs.iter().filter_map(&mut weight).collect();
    weights.extend(tensors);
    weights
}
