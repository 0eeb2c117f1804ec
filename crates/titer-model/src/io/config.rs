//! `config.json`: every family's words for its shape, read into a [`Config`] and written from one.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::folder::LoadError;
use crate::{
    backend::Activation,
    config::Config,
    family::{Family, RopeScaling, Sliding, Variant},
};

/// Layer types, as `layer_types` calls them.
const SLIDING: &str = "sliding_attention";
const FULL: &str = "full_attention";

/// The gate's activation by its names in `config.json`.
const ACTIVATIONS: [(&str, Activation); 3] =
    [("silu", Activation::Silu), ("swish", Activation::Silu), ("gelu_pytorch_tanh", Activation::GeluTanh)];

/// Reads a `config.json`, as transformers 4 or 5 writes it.
///
/// Fails where the architecture, or a value that changes what is computed, is not one that titer computes.
pub fn read_config(bytes: &[u8], path: &Path) -> Result<Config, LoadError> {
    let fail = |problem: String| LoadError::Config { path: path.to_owned(), problem };
    let value: Value = serde_json::from_slice(bytes).map_err(|error| fail(format!("not JSON: {error}")))?;
    parse(value).map_err(fail)
}

fn parse(mut value: Value) -> Result<Config, String> {
    let architecture = value["architectures"][0].as_str().unwrap_or("none");
    let Some(family) = Family::ALL.into_iter().find(|family| family.architecture() == architecture) else {
        let known = Family::ALL.map(Family::architecture).join(", ");
        return Err(format!("architecture is {architecture}; titer computes {known}"));
    };
    let Some(keys) = value.as_object_mut() else { unreachable!("it has architectures") };
    for (key, default) in defaults(family) {
        keys.entry(key).or_insert(default);
    }
    for key in SIZES {
        count(&value, key)?.ok_or_else(|| format!("`{key}` is missing"))?;
    }
    wanted(&value, "rms_norm_eps")?;
    if value["num_key_value_heads"].is_null() {
        value["num_key_value_heads"] = value["num_attention_heads"].clone();
    }
    if !value["quantization_config"].is_null() {
        return Err("the weights are quantised (`quantization_config`); titer reads F32, F16 and BF16".into());
    }
    if flag(&value, "use_bidirectional_attention")? {
        return Err("`use_bidirectional_attention` is true; titer computes causal attention".into());
    }
    let (rope_theta, rope_scaling, local_theta) = rope(family, &value)?;
    value["rope_theta"] = rope_theta.into();
    let mut config: Config = serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
    let layers = config.num_hidden_layers;
    let unrotated = unrotated(family, &value, layers)?;
    let sliding = sliding(family, &value, layers, &unrotated)?;
    let of = |families: &[Family], key: &str| Ok::<_, String>(families.contains(&family) && flag(&value, key)?);
    use Family::{Gemma2, Gemma3, Llama, Olmo2, Qwen3, SmolLm3};
    let gemma = matches!(family, Gemma2 | Gemma3);
    if family == Gemma3 && !value["attn_logit_softcapping"].is_null() {
        return Err("`attn_logit_softcapping` is set; titer computes Gemma 3 without, as transformers does".into());
    }
    config.variant = Variant {
        family,
        attention_bias: of(&[Llama, Qwen3, SmolLm3, Gemma2, Gemma3, Olmo2], "attention_bias")?,
        mlp_bias: of(&[Llama, SmolLm3], "mlp_bias")?,
        activation: activation(&value, if gemma { "hidden_activation" } else { "hidden_act" })?,
        rope_scaling,
        unrotated,
        sliding: sliding.map(|(window, layers)| Sliding { window, layers, rope_theta: local_theta }),
        query_pre_attn_scalar: if gemma { number(&value, "query_pre_attn_scalar")? } else { None },
        attention_softcap: if family == Gemma2 { number(&value, "attn_logit_softcapping")? } else { None },
        logit_softcap: if gemma { number(&value, "final_logit_softcapping")? } else { None },
    };
    config.check()?;
    Ok(config)
}

/// The counts that a config cannot do without.
const SIZES: [&str; 6] = [
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
];

/// What transformers takes where a key is absent.
fn defaults(family: Family) -> Map<String, Value> {
    let defaults = match family {
        Family::Llama | Family::Olmo2 => json!({}),
        Family::Mistral => json!({ "sliding_window": 4096 }),
        Family::Qwen2 => json!({ "sliding_window": 4096, "max_window_layers": 28 }),
        Family::Qwen3 => json!({ "head_dim": 128, "sliding_window": 4096, "max_window_layers": 28 }),
        Family::SmolLm3 => json!({ "tie_word_embeddings": true, "rope_theta": 2e6, "no_rope_layer_interval": 4 }),
        Family::Gemma2 => json!({
            "tie_word_embeddings": true,
            "head_dim": 256,
            "query_pre_attn_scalar": 256,
            "sliding_window": 4096,
            "attn_logit_softcapping": 50.0,
            "final_logit_softcapping": 30.0,
            "hidden_activation": "gelu_pytorch_tanh",
        }),
        Family::Gemma3 => json!({
            "tie_word_embeddings": true,
            "head_dim": 256,
            "query_pre_attn_scalar": 256,
            "sliding_window": 4096,
            "sliding_window_pattern": 6,
            "rope_theta": 1e6,
            "rope_local_base_freq": 1e4,
            "hidden_activation": "gelu_pytorch_tanh",
        }),
    };
    let Value::Object(mut defaults) = defaults else { unreachable!() };
    for (key, default) in [("rope_theta", json!(1e4)), ("hidden_act", json!("silu"))] {
        defaults.entry(key).or_insert(default);
    }
    defaults
}

/// A number, or `None` where the key is absent or null.
fn number(value: &Value, key: &str) -> Result<Option<f64>, String> {
    match &value[key] {
        Value::Null => Ok(None),
        found => found.as_f64().map(Some).ok_or_else(|| format!("`{key}` is {found}; it must be a number")),
    }
}

fn wanted(value: &Value, key: &str) -> Result<f64, String> {
    number(value, key)?.ok_or_else(|| format!("`{key}` is missing"))
}

/// A count, or `None` where the key is absent or null.
fn count(value: &Value, key: &str) -> Result<Option<usize>, String> {
    match &value[key] {
        Value::Null => Ok(None),
        found => found
            .as_u64()
            .map(|count| Some(count as usize))
            .ok_or_else(|| format!("`{key}` is {found}; it must be a count")),
    }
}

/// A yes or no; absent and null are no.
fn flag(value: &Value, key: &str) -> Result<bool, String> {
    match &value[key] {
        Value::Null => Ok(false),
        found => found.as_bool().ok_or_else(|| format!("`{key}` is {found}; it must be true or false")),
    }
}

fn activation(value: &Value, key: &str) -> Result<Activation, String> {
    let known = ACTIVATIONS.iter().find(|(name, _)| value[key] == *name);
    known.map(|(_, activation)| *activation).ok_or_else(|| {
        let names = ACTIVATIONS.map(|(name, _)| name).join(", ");
        format!("`{key}` is {}; titer computes {names}", value[key])
    })
}

/// Base of the rotary frequencies and how they are stretched; and their base in sliding layers, if it is another.
///
/// transformers 5 has all of it in `rope_parameters`, by layer type for Gemma 3; older ones have `rope_theta`,
/// `rope_scaling` and, for Gemma 3, `rope_local_base_freq`.
fn rope(family: Family, value: &Value) -> Result<(f64, RopeScaling, Option<f64>), String> {
    let parameters = &value["rope_parameters"];
    let by_layer = family == Family::Gemma3;
    let all = if by_layer { &parameters[FULL] } else { parameters };
    let scaling = if value["rope_scaling"].is_null() { all } else { &value["rope_scaling"] };
    let theta = |own: &Value, key: &str| match number(own, "rope_theta")? {
        Some(theta) => Ok(theta),
        None => wanted(value, key),
    };
    let local = if by_layer {
        let local = &parameters[SLIDING];
        if rope_scaling(local, value)? != RopeScaling::Plain {
            return Err("`rope_parameters` scales sliding layers; titer computes Gemma 3 with plain ones".into());
        }
        Some(theta(local, "rope_local_base_freq")?)
    } else {
        None
    };
    let global = match number(scaling, "rope_theta")? {
        Some(theta) => theta,
        None => theta(all, "rope_theta")?,
    };
    Ok((global, rope_scaling(scaling, value)?, local))
}

fn rope_scaling(rope: &Value, value: &Value) -> Result<RopeScaling, String> {
    for holder in [rope, value] {
        if let Some(factor) = number(holder, "partial_rotary_factor")?.filter(|factor| *factor != 1.0) {
            return Err(format!("`partial_rotary_factor` is {factor}; titer rotates whole heads"));
        }
    }
    match rope["rope_type"].as_str().or(rope["type"].as_str()).unwrap_or("default") {
        "default" => Ok(RopeScaling::Plain),
        "linear" => Ok(RopeScaling::Linear { factor: wanted(rope, "factor")? }),
        "llama3" => Ok(RopeScaling::Llama3 {
            factor: wanted(rope, "factor")?,
            low: wanted(rope, "low_freq_factor")?,
            high: wanted(rope, "high_freq_factor")?,
            original: match number(rope, "original_max_position_embeddings")? {
                Some(original) => original,
                None => wanted(value, "max_position_embeddings")?,
            },
        }),
        other => Err(format!("`rope_type` is \"{other}\"; titer computes default, linear, llama3")),
    }
}

/// Which layers have no rotary positions; empty where all do.
fn unrotated(family: Family, value: &Value, layers: usize) -> Result<Vec<bool>, String> {
    if family != Family::SmolLm3 {
        return Ok(Vec::new());
    }
    if let Value::Array(rotated) = &value["no_rope_layers"] {
        return Ok(rotated.iter().take(layers).map(|rotated| *rotated == 0).collect());
    }
    match count(value, "no_rope_layer_interval")? {
        None | Some(0) => Err("`no_rope_layer_interval` is not a positive count".into()),
        Some(every) => Ok((1..=layers).map(|layer| layer.is_multiple_of(every)).collect()),
    }
}

/// The window, and which layers slide; `None` where none does.
fn sliding(
    family: Family,
    value: &Value,
    layers: usize,
    unrotated: &[bool],
) -> Result<Option<(usize, Vec<bool>)>, String> {
    use Family::{Gemma2, Gemma3, Llama, Mistral, Olmo2, Qwen2, Qwen3, SmolLm3};
    let used = matches!(family, Mistral | Gemma2 | Gemma3) || flag(value, "use_sliding_window")?;
    let window = if used || family == SmolLm3 { count(value, "sliding_window")? } else { None };
    let by_layer = |slides: &dyn Fn(usize) -> bool| (0..layers).map(slides).collect::<Vec<bool>>();
    let slide = match (family, &value["layer_types"]) {
        (Llama | Olmo2, _) => return Ok(None),
        (_, Value::Array(types)) => types.iter().map(layer_type).collect::<Result<_, _>>()?,
        (Mistral, _) => by_layer(&|_| window.is_some()),
        (Qwen2 | Qwen3, _) => {
            let first = count(value, "max_window_layers")?.unwrap_or(layers);
            by_layer(&|layer| window.is_some() && layer >= first)
        }
        (SmolLm3, _) => by_layer(&|layer| used && window.is_some() && unrotated.get(layer) == Some(&true)),
        (Gemma2, _) => by_layer(&|layer| layer % 2 == 0),
        (Gemma3, _) => match count(value, "sliding_window_pattern")? {
            None | Some(0) => return Err("`sliding_window_pattern` is not a positive count".into()),
            Some(every) => by_layer(&|layer| !(layer + 1).is_multiple_of(every)),
        },
    };
    match window {
        _ if !slide.contains(&true) => Ok(None),
        Some(window) => Ok(Some((window, slide))),
        None => Err(format!("`layer_types` has {SLIDING}, and there is no `sliding_window` in use")),
    }
}

fn layer_type(name: &Value) -> Result<bool, String> {
    match name.as_str() {
        Some(SLIDING) => Ok(true),
        Some(FULL) => Ok(false),
        _ => Err(format!("`layer_types` has {name}; titer computes {FULL} and {SLIDING}")),
    }
}

/// A `config.json`, as bytes; `end` is the token that closes a reply.
pub(super) fn write_config(config: &Config, end: u32) -> Vec<u8> {
    let variant = &config.variant;
    let (family, gemma) = (variant.family, matches!(variant.family, Family::Gemma2 | Family::Gemma3));
    let name = ACTIVATIONS.iter().find(|(_, activation)| *activation == variant.activation);
    let (activation, _) = name.expect("every activation has a name");
    let mut json = serde_json::to_value(config).expect("a config is plain data");
    let Value::Object(keys) = &mut json else { unreachable!() };
    let mut extend = |extra: Value| {
        let Value::Object(extra) = extra else { unreachable!() };
        keys.extend(extra);
    };
    extend(json!({
        "architectures": [family.architecture()],
        "model_type": family.model_type(),
        if gemma { "hidden_activation" } else { "hidden_act" }: activation,
        "attention_bias": variant.attention_bias,
        "mlp_bias": variant.mlp_bias,
        "torch_dtype": "float32",
        "bos_token_id": null,
        "eos_token_id": end,
    }));
    match variant.rope_scaling {
        RopeScaling::Plain => {}
        RopeScaling::Linear { factor } => {
            extend(json!({ "rope_scaling": { "rope_type": "linear", "factor": factor } }));
        }
        RopeScaling::Llama3 { factor, low, high, original } => extend(json!({ "rope_scaling": {
            "rope_type": "llama3",
            "factor": factor,
            "low_freq_factor": low,
            "high_freq_factor": high,
            "original_max_position_embeddings": whole(original),
        } })),
    }
    if family == Family::SmolLm3 {
        let rotated: Vec<u8> = variant.unrotated.iter().map(|unrotated| u8::from(!unrotated)).collect();
        extend(json!({ "no_rope_layers": rotated }));
    }
    if gemma {
        extend(json!({
            "query_pre_attn_scalar": whole(variant.query_pre_attn_scalar.unwrap_or(config.head_width() as f64)),
            "attn_logit_softcapping": variant.attention_softcap,
            "final_logit_softcapping": variant.logit_softcap,
        }));
    }
    if family != Family::Llama {
        // What some families take for them where they are absent does not fit other sizes.
        extend(json!({ "head_dim": config.head_width(), "pad_token_id": null }));
    }
    if !matches!(family, Family::Llama | Family::Olmo2) {
        let sliding = variant.sliding.as_ref();
        let slides = |layer: usize| sliding.is_some_and(|sliding| sliding.layers[layer]);
        let types: Vec<&str> =
            (0..config.num_hidden_layers).map(|layer| if slides(layer) { SLIDING } else { FULL }).collect();
        extend(json!({
            "sliding_window": sliding.map(|sliding| sliding.window),
            "use_sliding_window": sliding.is_some(),
        }));
        // transformers takes a Mistral with layer types for another family.
        if family != Family::Mistral || types.contains(&FULL) && sliding.is_some() {
            extend(json!({ "layer_types": types }));
        }
    }
    if family == Family::Gemma3 {
        let theta = variant.sliding.as_ref().and_then(|sliding| sliding.rope_theta);
        extend(json!({ "rope_local_base_freq": theta.unwrap_or(config.rope_theta) }));
    }
    let mut bytes = serde_json::to_vec_pretty(&json).expect("a config is plain data");
    bytes.push(b'\n');
    bytes
}

/// A number, as JSON's integer where it is one: transformers takes no other for what should be whole.
fn whole(value: f64) -> Value {
    if value.fract() == 0.0 { json!(value as u64) } else { json!(value) }
}
