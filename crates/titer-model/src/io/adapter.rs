//! A LoRA adapter in PEFT's layout: `adapter_config.json` beside `adapter_model.safetensors`.

use std::path::Path;

use serde_json::{Value, json};

use super::{error::LoadError, tensors};
use crate::{
    backend::Backend,
    params::{Layout, ParamRole, ParamSpec, Params},
    shape::{LINEAR_LAYERS, LoraConfig},
};

/// What an adapter's config may say without changing what is computed: where it comes from, and how it was started and trained.
/// Everything that is neither here nor a field of [`LoraConfig`] must be idle (false, empty or none), whatever later versions of
/// PEFT call it.
const WITHOUT_EFFECT: [&str; 18] = [
    "peft_type",
    "task_type",
    "auto_mapping",
    "peft_version",
    "base_model_name_or_path",
    "revision",
    "inference_mode",
    "init_lora_weights",
    "eva_config",
    "loftq_config",
    "corda_config",
    "lora_ga_config",
    "lora_dropout",
    "megatron_core",
    "qalora_group_size",
    "runtime_config",
    // About weights that are stored transposed, and about embeddings: a decoder's linear layers are neither.
    "fan_in_fan_out",
    "ensure_weight_tying",
];

/// What [`LoraConfig`] reads, and what is looked at here.
const READ: [&str; 10] = [
    "r",
    "lora_alpha",
    "use_rslora",
    "target_modules",
    "exclude_modules",
    "layers_to_transform",
    "layers_pattern",
    "rank_pattern",
    "alpha_pattern",
    "bias",
];

/// Ways to start an adapter that leave the base model as it is.
const STARTS: [&str; 3] = ["gaussian", "orthogonal", "eva"];

/// Reads `adapter_config.json` of an adapter on a decoder of this layout, to be measured: what was for training alone, such as a
/// dropout, is passed over.
///
/// Fails where it asks for more than LoRA on linear layers, and names what; and where it adapts none of them.
pub fn read_adapter_config(layout: &Layout, bytes: &[u8], path: &Path) -> Result<LoraConfig, LoadError> {
    let fail = |problem: String| LoadError::Config { path: path.to_owned(), problem };
    let value: Value = serde_json::from_slice(bytes).map_err(|error| fail(format!("not JSON: {error}")))?;
    parse(layout, value).map_err(fail)
}

fn parse(layout: &Layout, mut value: Value) -> Result<LoraConfig, String> {
    if value["peft_type"] != "LORA" {
        return Err(format!("`peft_type` is {}; titer computes \"LORA\"", value["peft_type"]));
    }
    let known = |key: &str| WITHOUT_EFFECT.contains(&key) || READ.contains(&key);
    let more = value.as_object().into_iter().flatten().find(|(key, value)| !known(key) && !idle(value));
    if let Some((key, value)) = more {
        return Err(format!("`{key}` is {value}; titer computes adapters without it"));
    }
    if let Some(start) = value["init_lora_weights"].as_str().filter(|start| !STARTS.contains(start)) {
        return Err(format!(
            "`init_lora_weights` is \"{start}\", which changes the base model; titer computes adapters on it as it is"
        ));
    }
    if value["target_modules"] == "all-linear" {
        value["target_modules"] = json!(LINEAR_LAYERS);
    }
    let Some(keys) = value.as_object_mut() else { unreachable!("it has a `peft_type`") };
    for key in ["layers_to_transform", "layers_pattern"] {
        let single = keys.get(key).is_some_and(|value| value.is_number() || value.is_string() && value != "");
        if let Some(value) = keys.get_mut(key).filter(|_| single) {
            *value = json!([value.clone()]);
        }
    }
    let bias = keys.shift_remove("bias");
    keys.retain(|_, value| !value.is_null() && value != ""); // as if it were not there
    let config: LoraConfig = serde_json::from_value(value).map_err(|error| error.to_string())?;
    let adapted: Vec<&str> = adapted(&config, layout)?;
    if adapted.is_empty() {
        let names = LINEAR_LAYERS.join(", ");
        let targets = serde_json::to_string(&config.target_modules).unwrap_or_default();
        return Err(format!(
            "`target_modules` is {targets}, which is no linear layer of the model; adapters go on {names}"
        ));
    }
    // Trained biases are those of all layers, or of those with adapters.
    let has_bias = |name: &str| match bias.as_ref().and_then(Value::as_str) {
        Some("all") => true,
        Some("lora_only") => adapted.iter().any(|module| name.strip_suffix(".bias") == Some(module)),
        _ => false,
    };
    let biased = layout.specs.iter().find(|spec| spec.role == ParamRole::Bias && has_bias(&spec.name));
    match (bias, biased) {
        (Some(bias), Some(spec)) => Err(format!(
            "`bias` is {bias}, and the model has `{}`; titer computes adapters that leave it alone",
            spec.name
        )),
        (Some(bias), None) if !idle(&bias) && bias != "all" && bias != "lora_only" => {
            Err(format!("`bias` is {bias}; titer computes adapters without it"))
        }
        _ => Ok(config),
    }
}

/// The linear layers that get an adapter.
fn adapted<'a>(config: &LoraConfig, layout: &'a Layout) -> Result<Vec<&'a str>, String> {
    let mut adapted = Vec::new();
    for module in layout.linear_layers() {
        if config.of(module)?.is_some() {
            adapted.push(module);
        }
    }
    Ok(adapted)
}

fn idle(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(word) => word == "none" || word.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(values) => values.is_empty(),
        Value::Bool(true) => false,
    }
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
