//! A model folder: `config.json` beside `model.safetensors`.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::tensors;
use crate::{
    backend::Backend,
    config::Config,
    params::{Layout, Params},
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

/// Reads `config.json` from a folder; fails where the architecture is not one that titer computes.
pub fn read_config(bytes: &[u8], path: &Path) -> Result<Config, LoadError> {
    let fail = |problem: String| LoadError::Config { path: path.to_owned(), problem };
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| fail(format!("not JSON: {error}")))?;
    let architecture = value["architectures"][0].as_str().unwrap_or("none");
    if architecture != "LlamaForCausalLM" {
        return Err(fail(format!("architecture is {architecture}; titer computes LlamaForCausalLM")));
    }
    for key in ["attention_bias", "mlp_bias"] {
        if value[key].as_bool() == Some(true) {
            return Err(fail(format!("`{key}` is true; titer computes Llama without biases")));
        }
    }
    let scaled = |value: &serde_json::Value| {
        let kind = value["rope_type"].as_str().or(value["type"].as_str());
        kind.is_some_and(|kind| kind != "default")
    };
    if scaled(&value["rope_scaling"]) || scaled(&value["rope_parameters"]) {
        return Err(fail("rotary positions are scaled; titer computes plain ones".into()));
    }
    let mut config: Config = serde_json::from_value(value.clone()).map_err(|error| fail(error.to_string()))?;
    // transformers 5 moved the base of the frequencies into `rope_parameters`.
    if let Some(theta) = value["rope_parameters"]["rope_theta"].as_f64() {
        config.rope_theta = theta;
    }
    config.check().map_err(fail)?;
    Ok(config)
}

/// Reads weights in safetensors format into parameters of this layout.
///
/// Fails where a tensor is missing, left over, of another shape, of a type that is not f32, f16 or bf16, or holds a
/// number that is not finite; the error names the tensor.
pub fn load<B: Backend>(backend: &B, layout: &Layout, bytes: &[u8], path: &Path) -> Result<Params<B>, LoadError> {
    let wanted = layout.specs.iter().map(|spec| (spec.name.clone(), spec.shape.as_slice()));
    let buffers = tensors::read(backend, wanted, bytes)
        .map_err(|problem| LoadError::Weights { path: path.to_owned(), problem })?;
    Ok(Params { buffers })
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
    let weights = save_weights(backend, layout, params);
    let mut json = serde_json::to_value(config).expect("a config is plain data");
    let extra = json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "attention_bias": false,
        "mlp_bias": false,
        "torch_dtype": "float32",
        "bos_token_id": null,
        "eos_token_id": end,
    });
    let (Some(json_map), serde_json::Value::Object(extra)) = (json.as_object_mut(), extra) else { unreachable!() };
    json_map.extend(extra);
    let mut config = serde_json::to_vec_pretty(&json).expect("a config is plain data");
    config.push(b'\n');
    (config, weights)
}

/// `model.safetensors`, as bytes, weights in f32. Equal parameters give equal bytes.
pub fn save_weights<B: Backend>(backend: &B, layout: &Layout, params: &Params<B>) -> Vec<u8> {
    let buffers = layout.specs.iter().zip(&params.buffers);
    let buffers = buffers.map(|(spec, buffer)| (spec.name.clone(), spec.shape.as_slice(), buffer));
    tensors::write(backend, buffers, tensors::of_torch())
}
