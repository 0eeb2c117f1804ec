//! A model folder: `config.json` beside its weights.

use std::path::{Path, PathBuf};

use super::{
    config::{read_config, write_config},
    tensors,
    weights::Weights,
};
use crate::{
    backend::Backend,
    config::Config,
    decoder::Decoder,
    params::{Layout, Params},
    real::Real,
};

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
    pub(super) fn weights(path: &Path) -> impl Fn(String) -> Self {
        |problem| Self::Weights { path: path.to_owned(), problem }
    }
}

/// Reads a model folder: `config.json`, and `model.safetensors` or the shards that `model.safetensors.index.json`
/// names. All weights are in the backend's numbers.
///
/// Fails as [`read_config`] and [`Weights::of_folder`] do, and where a file is missing.
pub fn open<B: Backend>(backend: B, folder: &Path) -> Result<(Decoder<B>, Params<B>), LoadError> {
    let path = folder.join("config.json");
    let decoder = Decoder::new(backend, read_config(&fs_err::read(&path)?, &path)?);
    let params = Weights::of_folder(&decoder.layout, folder)?.upload(decoder.backend(), &decoder.layout);
    Ok((decoder, params))
}

/// Reads weights in safetensors format into parameters of this layout.
///
/// Fails as [`Weights::of_bytes`] does.
pub fn load<B: Backend>(backend: &B, layout: &Layout, bytes: &[u8], path: &Path) -> Result<Params<B>, LoadError> {
    Ok(Weights::of_bytes(layout, bytes.to_vec(), path)?.upload(backend, layout))
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
    for (buffer, spec) in buffers.iter_mut().zip(&layout.specs).filter(|(_, spec)| spec.less_one) {
        let ones = backend.upload(vec![B::Real::of(1.0); spec.len()]);
        backend.add_scaled(buffer, B::Real::of(-1.0), &ones);
    }
    let buffers = layout.specs.iter().zip(&buffers);
    let buffers = buffers.map(|(spec, buffer)| (spec.name.clone(), spec.shape.as_slice(), buffer));
    tensors::write(backend, buffers, tensors::of_torch())
}
