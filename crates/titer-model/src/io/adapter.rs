//! A LoRA adapter in PEFT's layout: `adapter_config.json` beside `adapter_model.safetensors`.

use std::path::Path;

use serde_json::{Value, json};

use super::{folder::LoadError, tensors};
use crate::{
    backend::Backend,
    lora::{LoraConfig, TARGETS},
    params::{Layout, ParamSpec, Params},
};

/// What plain LoRA does without.
const BEYOND: [&str; 13] = [
    "use_dora",
    "bias",
    "lora_bias",
    "fan_in_fan_out",
    "modules_to_save",
    "exclude_modules",
    "rank_pattern",
    "alpha_pattern",
    "layers_to_transform",
    "layer_replication",
    "target_parameters",
    "trainable_token_indices",
    "alora_invocation_tokens",
];

/// Reads `adapter_config.json`; fails where it asks for more than plain LoRA on linear layers. Dropout is read over:
/// titer computes without it.
pub fn read_adapter_config(bytes: &[u8], path: &Path) -> Result<LoraConfig, LoadError> {
    let fail = |problem: String| LoadError::Config { path: path.to_owned(), problem };
    let mut value: Value = serde_json::from_slice(bytes).map_err(|error| fail(format!("not JSON: {error}")))?;
    if value["peft_type"] != "LORA" {
        return Err(fail(format!("`peft_type` is {}; titer computes \"LORA\"", value["peft_type"])));
    }
    let idle = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(word) => word == "none",
        Value::Array(values) => values.is_empty(),
        Value::Object(values) => values.is_empty(),
        _ => false,
    };
    if let Some(key) = BEYOND.into_iter().find(|key| !idle(&value[*key])) {
        return Err(fail(format!("`{key}` is {}; titer computes adapters without it", value[key])));
    }
    if value["target_modules"] == "all-linear" {
        value["target_modules"] = json!(TARGETS);
    }
    let config: LoraConfig = serde_json::from_value(value).map_err(|error| fail(error.to_string()))?;
    config.check().map_err(fail)?;
    Ok(config)
}

/// Weights with these adapters behind them, for a layout that [`crate::decoder::Decoder::with_lora`] made.
///
/// Fails as [`super::load`] does, on the adapters' tensors.
pub fn load_adapter<B: Backend>(
    mut params: Params<B>,
    backend: &B,
    layout: &Layout,
    bytes: &[u8],
    path: &Path,
) -> Result<Params<B>, LoadError> {
    let wanted = layout.specs[params.buffers.len()..].iter().map(|spec| (peft_name(spec), spec.shape.as_slice()));
    let adapters = tensors::read(backend, wanted, bytes)
        .map_err(|problem| LoadError::Weights { path: path.to_owned(), problem })?;
    params.buffers.extend(adapters);
    Ok(params)
}

/// The two files of an adapter, as bytes: `(adapter_config.json, adapter_model.safetensors)`; `base` is what PEFT
/// shall take for the model's name.
pub fn save_adapter<B: Backend>(
    backend: &B,
    config: &LoraConfig,
    layout: &Layout,
    params: &Params<B>,
    base: &str,
) -> (Vec<u8>, Vec<u8>) {
    let adapters = layout.specs.iter().zip(&params.buffers).filter(|(spec, _)| spec.trained);
    let adapters = adapters.map(|(spec, buffer)| (peft_name(spec), spec.shape.as_slice(), buffer));
    let weights = tensors::write(backend, adapters, tensors::of_torch());
    let mut json = serde_json::to_value(config).expect("a config is plain data");
    let extra = json!({
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "bias": "none",
        "lora_dropout": 0.0,
        "fan_in_fan_out": false,
        "inference_mode": true,
    });
    let (Some(map), Value::Object(extra)) = (json.as_object_mut(), extra) else { unreachable!() };
    map.extend(extra);
    let mut config = serde_json::to_vec_pretty(&json).expect("a config is plain data");
    config.push(b'\n');
    (config, weights)
}

fn peft_name(spec: &ParamSpec) -> String {
    format!("base_model.model.{}", spec.name)
}
