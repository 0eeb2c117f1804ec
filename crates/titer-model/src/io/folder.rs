//! A model folder: `config.json` beside `model.safetensors`, or beside shards of it and their index.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{
    config::{read_config, write_config},
    tensors::{self, Wanted},
};
use crate::{
    backend::Backend,
    config::Config,
    decoder::Decoder,
    params::{Layout, Params, Role},
    real::Real,
};

/// The output head. A file may hold it although it is tied to the embedding table, and then twice the same.
const HEAD: &str = "lm_head.weight";

/// All weights in one file.
const SINGLE: &str = "model.safetensors";

/// Which shard holds which tensor.
const INDEX: &str = "model.safetensors.index.json";

#[derive(Deserialize)]
struct Index {
    /// Tensor to file.
    weight_map: BTreeMap<String, String>,
}

impl Index {
    fn read(bytes: &[u8], path: &Path) -> Result<Self, LoadError> {
        serde_json::from_slice(bytes).map_err(|error| LoadError::weights(path)(format!("not an index: {error}")))
    }
}

/// Why a model folder could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file is missing or unreadable.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// `config.json` does not say what it should.
    #[error("{path}: {problem}")]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The weights do not fit the config.
    #[error("{path}: {problem}")]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl LoadError {
    fn weights(path: &Path) -> impl Fn(String) -> Self {
        |problem| Self::Weights { path: path.to_owned(), problem }
    }
}

/// Reads a model folder: `config.json`, and `model.safetensors` or the shards that `model.safetensors.index.json`
/// names.
///
/// Fails as [`read_config`] and [`load`] do, and where a file is missing.
pub fn open<B: Backend>(backend: B, folder: &Path) -> Result<(Decoder<B>, Params<B>), LoadError> {
    let path = folder.join("config.json");
    let decoder = Decoder::new(backend, read_config(&fs_err::read(&path)?, &path)?);
    let params = load_folder(decoder.backend(), &decoder.layout, folder)?;
    Ok((decoder, params))
}

/// The weights of a model folder: [`load`] from `model.safetensors`, or from the shards that
/// `model.safetensors.index.json` names where that file is missing.
///
/// Fails as [`load`] does, and where a file is missing.
pub fn load_folder<B: Backend>(backend: &B, layout: &Layout, folder: &Path) -> Result<Params<B>, LoadError> {
    let (single, index) = (folder.join(SINGLE), folder.join(INDEX));
    if index.exists() && !single.exists() {
        load_shards(backend, layout, folder, &fs_err::read(&index)?, &index)
    } else {
        load(backend, layout, &fs_err::read(&single)?, &single)
    }
}

/// The files that [`load_folder`] reads, in a fixed order.
///
/// Fails where there is none, or the index cannot be read.
pub fn weight_files(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let (single, index) = (folder.join(SINGLE), folder.join(INDEX));
    if single.exists() || !index.exists() {
        fs_err::metadata(&single)?;
        return Ok(vec![single]);
    }
    let map = Index::read(&fs_err::read(&index)?, &index)?.weight_map;
    let shards: BTreeSet<PathBuf> = map.into_values().map(|file| folder.join(file)).collect();
    Ok(std::iter::once(index).chain(shards).collect())
}

/// Reads weights in safetensors format into parameters of this layout.
///
/// Fails where a tensor is missing, left over, of another shape, of a type that is not f32, f16 or bf16, or holds a
/// number that is not finite; the error names the tensor.
pub fn load<B: Backend>(backend: &B, layout: &Layout, bytes: &[u8], path: &Path) -> Result<Params<B>, LoadError> {
    let fail = LoadError::weights(path);
    let wanted = wanted(layout, tensors::names(bytes).map_err(&fail)?.contains(&HEAD.to_owned()));
    let buffers = tensors::read(backend, wanted, bytes).map_err(&fail)?;
    params(backend, layout, buffers).map_err(fail)
}

/// [`load`], from the shards of an index.
fn load_shards<B: Backend>(
    backend: &B,
    layout: &Layout,
    folder: &Path,
    index: &[u8],
    path: &Path,
) -> Result<Params<B>, LoadError> {
    let fail = LoadError::weights(path);
    let mut map = Index::read(index, path)?.weight_map;
    let wanted = wanted(layout, map.contains_key(HEAD));
    let mut shards: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, (name, _)) in wanted.iter().enumerate() {
        let file = map.remove(name).ok_or_else(|| fail(tensors::missing(name)))?;
        shards.entry(file).or_default().push(at);
    }
    tensors::none_left(map.keys().map(String::as_str)).map_err(&fail)?;
    let mut buffers = vec![B::Buffer::default(); wanted.len()];
    for (file, places) in shards {
        let path = folder.join(file);
        let own = places.iter().map(|&at| wanted[at].clone());
        let read = tensors::read(backend, own, &fs_err::read(&path)?).map_err(LoadError::weights(&path))?;
        for (at, buffer) in places.into_iter().zip(read) {
            buffers[at] = buffer;
        }
    }
    params(backend, layout, buffers).map_err(fail)
}

/// The tensors of this layout, and last the head's, where the file has a head and the layout does not.
fn wanted(layout: &Layout, head: bool) -> Vec<Wanted<'_>> {
    let mut wanted: Vec<Wanted> = layout.specs.iter().map(|spec| (spec.name.clone(), spec.shape.as_slice())).collect();
    let tied = layout.specs.iter().all(|spec| spec.name != HEAD);
    let table = layout.specs.iter().find(|spec| spec.role == Role::Embedding && head && tied);
    wanted.extend(table.map(|spec| (HEAD.to_owned(), spec.shape.as_slice())));
    wanted
}

/// Parameters from the buffers that were wanted.
fn params<B: Backend>(backend: &B, layout: &Layout, mut buffers: Vec<B::Buffer>) -> Result<Params<B>, String> {
    if buffers.len() > layout.specs.len() {
        let (head, table) = (buffers.pop(), layout.specs.iter().position(|spec| spec.role == Role::Embedding));
        let (Some(head), Some(table)) = (head, table) else { unreachable!("a head was wanted beside a table") };
        if backend.download(&head) != backend.download(&buffers[table]) {
            return Err(format!("`{HEAD}` is not the embedding table, and `tie_word_embeddings` says that it is"));
        }
    }
    shift(backend, layout, &mut buffers, 1.0);
    Ok(Params { buffers })
}

/// Adds `by` to what files hold less 1.
fn shift<B: Backend>(backend: &B, layout: &Layout, buffers: &mut [B::Buffer], by: f64) {
    for (buffer, spec) in buffers.iter_mut().zip(&layout.specs).filter(|(_, spec)| spec.less_one) {
        let ones = backend.upload(vec![B::Real::of(1.0); spec.len()]);
        backend.add_scaled(buffer, B::Real::of(by), &ones);
    }
}

/// The two files of a model folder, as bytes: `(config.json, model.safetensors)`, weights in f32; `end` is the token
/// that closes a reply.
///
/// Equal parameters give equal bytes.
pub fn save<B: Backend>(
    backend: &B,
    config: &Config,
    layout: &Layout,
    params: &Params<B>,
    end: u32,
) -> (Vec<u8>, Vec<u8>) {
    (write_config(config, end), save_weights(backend, layout, params))
}

/// `model.safetensors`, as bytes, weights in f32. Equal parameters give equal bytes.
pub fn save_weights<B: Backend>(backend: &B, layout: &Layout, params: &Params<B>) -> Vec<u8> {
    let mut buffers = params.buffers.clone();
    shift(backend, layout, &mut buffers, -1.0);
    let buffers = layout.specs.iter().zip(&buffers);
    let buffers = buffers.map(|(spec, buffer)| (spec.name.clone(), spec.shape.as_slice(), buffer));
    tensors::write(backend, buffers, tensors::of_torch())
}
