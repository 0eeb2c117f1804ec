//! A model folder: `config.json` beside its weights.

use std::path::Path;

use super::{
    config::{read_config, write_config},
    error::LoadError,
    regular_file::read_file,
    tensors,
    weights::Weights,
};
use crate::{
    backend::Backend,
    decoder::Decoder,
    params::{Layout, Params},
    real::Real,
    shape::Config,
};

/// Reads a model folder: `config.json`, and `model.safetensors` or the shards that `model.safetensors.index.json`
/// names. All weights are in the backend's numbers.
///
/// Fails as [`read_config`] and [`Weights::of_folder`] do, and where a file is missing.
pub fn open<B: Backend>(backend: B, folder: &Path) -> Result<(Decoder<B>, Params<B>), LoadError> {
    let path = folder.join("config.json");
    let decoder = Decoder::new(backend, read_config(&read_file(&path)?, &path)?);
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
    let mut files: Vec<(String, &[usize], B::Buffer)> = Vec::new();
    for (spec, buffer) in layout.specs.iter().zip(buffers) {
        match (&spec.part, files.last_mut()) {
            (Some(part), Some((_, _, whole))) if part.first > 0 => {
                let rows = [backend.download(whole), backend.download(&buffer)].concat();
                *whole = backend.upload(rows);
            }
            (Some(part), _) => files.push((part.tensor.clone(), &part.shape, buffer)),
            (None, _) => files.push((spec.name.clone(), &spec.shape, buffer)),
        }
    }
    let buffers = files.iter().map(|(name, shape, buffer)| (name.clone(), *shape, buffer));
    tensors::write(backend, buffers, tensors::of_torch())
}
