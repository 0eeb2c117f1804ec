//! A LoRA adapter in PEFT's layout: `adapter_config.json` beside `adapter_model.safetensors`.

use std::path::Path;

use serde_json::{Value, json};

use super::{error::LoadError, tensors};
use crate::{
    backend::Backend,
    params::{Layout, ParamSpec, Params},
    shape::{LINEAR_LAYERS, LoraConfig},
};

/// What plain LoRA may say: everything else must be idle (false, empty or none), whatever later versions of PEFT call it.
const PLAIN: [&str; 14] = [
    "peft_type",
    "task_type",
    "auto_mapping",
    "peft_version",
    "base_model_name_or_path",
    "revision",
    "inference_mode",
    "r",
    "lora_alpha",
    "use_rslora",
    "target_modules",
    "init_lora_weights",
    "megatron_core",
    "qalora_group_size",
];

/// Ways to start an adapter that leave the base model as it is.
const STARTS: [&str; 3] = ["gaussian", "orthogonal", "eva"];

/// Reads `adapter_config.json`; fails where it asks for more than plain LoRA on linear layers, and names what.
pub fn read_adapter_config(bytes: &[u8], path: &Path) -> Result<LoraConfig, LoadError> {
    let fail = |problem: String| LoadError::Config { path: path.to_owned(), problem };
    let mut value: Value = serde_json::from_slice(bytes).map_err(|error| fail(format!("not JSON: {error}")))?;
    if value["peft_type"] != "LORA" {
        return Err(fail(format!("`peft_type` is {}; titer computes \"LORA\"", value["peft_type"])));
    }
    let idle = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(word) => word == "none",
        Value::Array(values) => values.is_empty(),
        Value::Object(values) => values.is_empty(),
        Value::Bool(true) => false,
    };
    let more =
        value.as_object().into_iter().flatten().find(|(key, value)| !PLAIN.contains(&key.as_str()) && !idle(value));
    if let Some((key, value)) = more {
        return Err(fail(format!("`{key}` is {value}; titer computes adapters without it")));
    }
    if let Some(start) = value["init_lora_weights"].as_str().filter(|start| !STARTS.contains(start)) {
        return Err(fail(format!(
            "`init_lora_weights` is \"{start}\", which changes the base model; titer computes adapters on it as it is"
        )));
    }
    match &value["target_modules"] {
        Value::String(all) if all == "all-linear" => value["target_modules"] = json!(LINEAR_LAYERS),
        Value::String(pattern) => {
            return Err(fail(format!(
                "`target_modules` is the pattern \"{pattern}\"; titer takes a list of {}",
                LINEAR_LAYERS.join(", ")
            )));
        }
        _ => {}
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
