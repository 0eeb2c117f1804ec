//! Rotary positions in `config.json`.

use serde_json::{Value, json};

use super::{
    keys::{count, number, numbers, wanted},
    words::{FULL, SLIDING},
};
use crate::shape::{DecoderFamily, RopeScaling};

/// What transformers takes for OLMo 3 where no base is given.
pub(super) const OLMO_3_THETA: f64 = 5e5;

/// Whether a family's positions are described by layer type.
fn is_by_layer(family: DecoderFamily) -> bool {
    matches!(family, DecoderFamily::Gemma3 | DecoderFamily::Olmo3)
}

/// Base of the rotary frequencies and how they are stretched; and their base in sliding layers, if it is another.
///
/// transformers 5 has all of it in `rope_parameters`, by layer type for Gemma 3 and OLMo 3; older ones have `rope_theta`,
/// `rope_scaling` and, for Gemma 3, `rope_local_base_freq`.
pub(super) fn rope(family: DecoderFamily, value: &Value) -> Result<(f64, RopeScaling, Option<f64>), String> {
    let (parameters, old) = (&value["rope_parameters"], &value["rope_scaling"]);
    if !is_by_layer(family) {
        if [FULL, SLIDING].iter().any(|layers| parameters.get(layers).is_some()) {
            return Err(
                "`rope_parameters` is by layer type, which transformers has for Gemma 3 and OLMo 3 alone".into()
            );
        }
        // One of them counts, whole: what the other says of the base does not.
        let rope = if old.as_object().is_some_and(|old| !old.is_empty()) { old } else { parameters };
        return Ok((base(rope, value, "rope_theta")?, rope_scaling(family, rope, value)?, None));
    }
    let mut full = if parameters.is_null() { json!({ "rope_type": "default" }) } else { parameters[FULL].clone() };
    match (full.as_object_mut(), old.as_object()) {
        (Some(full), Some(old)) => full.extend(old.clone()),
        (None, Some(_)) => full = old.clone(),
        (_, None) => {}
    }
    if !old["type"].is_null() && !full["rope_type"].is_null() && old["type"] != full["rope_type"] {
        return Err(format!(
            "`rope_scaling` says of what `type` it is, {}, which transformers does not read for Gemma 3 and OLMo 3: call it `rope_type`",
            old["type"]
        ));
    }
    let local = &parameters[SLIDING];
    if rope_scaling(family, local, value)? != RopeScaling::Plain {
        return Err("`rope_parameters` scales sliding layers; titer computes them with plain ones".into());
    }
    let local = match family {
        DecoderFamily::Gemma3 => base(local, value, "rope_local_base_freq")?,
        _ => sliding_base(local, value)?,
    };
    Ok((base(&full, value, "rope_theta")?, rope_scaling(family, &full, value)?, Some(local)))
}

/// The base of frequencies, which stands within `rope`, or by itself under `key`.
fn base(rope: &Value, value: &Value, key: &str) -> Result<f64, String> {
    number(rope, "rope_theta")?.map_or_else(|| wanted(value, key), Ok)
}

/// The base of OLMo 3's sliding layers: transformers 5 reads it nowhere but in `rope_parameters`, and older ones took `rope_theta`.
fn sliding_base(local: &Value, value: &Value) -> Result<f64, String> {
    match (number(local, "rope_theta")?, wanted(value, "rope_theta")?) {
        (Some(theta), _) => Ok(theta),
        (None, theta) if theta == OLMO_3_THETA => Ok(theta),
        (None, theta) => Err(format!(
            "`rope_theta` is {theta}, which transformers does not give to the sliding layers of OLMo 3: write the `rope_theta` of \
             {SLIDING} into `rope_parameters`"
        )),
    }
}

fn rope_scaling(family: DecoderFamily, rope: &Value, value: &Value) -> Result<RopeScaling, String> {
    for holder in [rope, value] {
        if let Some(factor) = number(holder, "partial_rotary_factor")?.filter(|factor| *factor != 1.0) {
            return Err(format!("`partial_rotary_factor` is {factor}; titer rotates whole heads"));
        }
    }
    let by_layer = is_by_layer(family);
    // A file may have it outside; then it counts, but where parameters are by layer.
    let original = || match number(value, "original_max_position_embeddings")? {
        Some(original) if !by_layer => Ok(original),
        _ => match number(rope, "original_max_position_embeddings")? {
            Some(original) => Ok(original),
            None => wanted(value, "max_position_embeddings"),
        },
    };
    let factor = || match number(rope, "factor")? {
        Some(factor) => Ok::<_, String>(factor),
        None => Ok(wanted(value, "max_position_embeddings")? / original()?),
    };
    match rope["rope_type"].as_str().or(rope["type"].as_str()).unwrap_or("default") {
        // The first files of Phi 3 called it so.
        "su" | "yarn" if family == DecoderFamily::Phi3 => rope_scaling(family, &renamed(rope, "longrope"), value),
        "default" => Ok(RopeScaling::Plain),
        "linear" => Ok(RopeScaling::Linear { factor: wanted(rope, "factor")? }),
        "llama3" => Ok(RopeScaling::Llama3 {
            factor: wanted(rope, "factor")?,
            low: wanted(rope, "low_freq_factor")?,
            high: wanted(rope, "high_freq_factor")?,
            original: original()?,
        }),
        "dynamic" => Ok(RopeScaling::Dynamic { factor: wanted(rope, "factor")? }),
        "yarn" => {
            let or = |key: &str, default: f64| {
                Ok::<_, String>(number(rope, key)?.filter(|value| *value != 0.0).unwrap_or(default))
            };
            Ok(RopeScaling::Yarn {
                factor: factor()?,
                low: or("beta_slow", 1.0)?,
                high: or("beta_fast", 32.0)?,
                original: original()?,
                // transformers looks for it where parameters are not by layer.
                truncate: by_layer || rope["truncate"] != false,
                attention: match number(rope, "attention_factor")? {
                    Some(attention) => attention,
                    None => yarn_attention(factor()?, or("mscale", 0.0)?, or("mscale_all_dim", 0.0)?),
                },
            })
        }
        "longrope" => {
            let (factor, original) = (factor()?, original()?);
            let default = if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / original.ln()).sqrt() };
            Ok(RopeScaling::LongRope {
                short: numbers(rope, "short_factor")?,
                long: numbers(rope, "long_factor")?,
                original: original as usize,
                attention: number(rope, "attention_factor")?.unwrap_or(default),
            })
        }
        other => {
            Err(format!("`rope_type` is \"{other}\"; titer computes default, linear, dynamic, llama3, yarn, longrope"))
        }
    }
}

/// The same of another type.
fn renamed(rope: &Value, rope_type: &str) -> Value {
    let mut renamed = rope.clone();
    renamed["rope_type"] = rope_type.into();
    renamed
}

/// The factor on queries and keys where a file gives none; both scales are 0 where they are not given.
fn yarn_attention(factor: f64, scale: f64, scale_all: f64) -> f64 {
    let attention = |scale: f64| if factor <= 1.0 { 1.0 } else { 0.1 * scale * factor.ln() + 1.0 };
    if scale != 0.0 && scale_all != 0.0 { attention(scale) / attention(scale_all) } else { attention(1.0) }
}

/// Which layers have no rotary positions; empty where all do.
pub(super) fn unrotated(family: DecoderFamily, value: &Value, layers: usize) -> Result<Vec<bool>, String> {
    if family != DecoderFamily::SmolLm3 {
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
