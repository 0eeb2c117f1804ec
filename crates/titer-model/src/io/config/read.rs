//! `config.json`, read.

use std::path::Path;

use serde_json::Value;

use super::{
    defaults::defaults,
    keys::{count, flag, number, wanted},
    rope::{rope, unrotated},
    sliding_window::sliding,
    words::ACTIVATIONS,
};
use crate::{
    backend::Activation,
    io::error::LoadError,
    shape::{Config, DecoderFamily, Multipliers, Sliding, Variant},
};

/// The counts that a config cannot do without.
const SIZES: [&str; 6] = [
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
];

/// What says how many experts a mixture has.
const EXPERTS: [&str; 3] = ["num_local_experts", "num_experts", "n_routed_experts"];

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
    let Some(family) = DecoderFamily::ALL.into_iter().find(|family| family.architecture() == architecture) else {
        let known = DecoderFamily::ALL.map(DecoderFamily::architecture).join(", ");
        let experts = EXPERTS.iter().any(|key| value[key].as_u64().is_some_and(|experts| experts > 1));
        let what = if experts { ", a mixture of experts" } else { "" };
        return Err(format!("architecture is {architecture}{what}; titer computes {known}"));
    };
    // transformers goes by it.
    match &value["model_type"] {
        Value::Null => {}
        word if *word == family.model_type() => {}
        other => {
            return Err(format!(
                "`model_type` is {other} and the architecture {architecture}, whose type is \"{}\": they do not say the same; \
                 write the type of what the weights are",
                family.model_type()
            ));
        }
    }
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
    if !value["per_layer_config"].is_null() {
        return Err("`per_layer_config` is set; titer computes layers of one shape".into());
    }
    if family == DecoderFamily::Gemma {
        value["hidden_act"] = gemma_activation(&value)?;
    }
    let (rope_theta, rope_scaling, local_theta) = rope(family, &value)?;
    value["rope_theta"] = rope_theta.into();
    let mut config: Config = serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
    config.check_sizes()?;
    let layers = config.num_hidden_layers;
    let unrotated = unrotated(family, &value, layers)?;
    let sliding = sliding(family, &value, layers, &unrotated)?;
    let has = |families: &[DecoderFamily], key: &str| Ok::<_, String>(families.contains(&family) && flag(&value, key)?);
    use DecoderFamily::{Gemma, Gemma2, Gemma3, Granite, Llama, Olmo2, Olmo3, Qwen3, SmolLm3};
    const BIASED: [DecoderFamily; 9] = [Llama, Qwen3, SmolLm3, Gemma, Gemma2, Gemma3, Olmo2, Olmo3, Granite];
    let gemma = matches!(family, Gemma2 | Gemma3);
    if family == Gemma3 && !value["attn_logit_softcapping"].is_null() {
        return Err("`attn_logit_softcapping` is set; titer computes Gemma 3 without, as transformers does".into());
    }
    config.variant = Variant {
        family,
        attention_bias: has(&BIASED, "attention_bias")?,
        mlp_bias: has(&[Llama, SmolLm3, Granite], "mlp_bias")?,
        activation: activation(&value, if gemma { "hidden_activation" } else { "hidden_act" })?,
        rope_scaling,
        unrotated,
        sliding: sliding.map(|(window, layers)| Sliding { window, layers, rope_theta: local_theta }),
        query_pre_attn_scalar: if gemma { number(&value, "query_pre_attn_scalar")? } else { None },
        attention_softcap: if family == Gemma2 { number(&value, "attn_logit_softcapping")? } else { None },
        logit_softcap: if gemma { number(&value, "final_logit_softcapping")? } else { None },
        multipliers: if family == Granite { Some(multipliers(&value)?) } else { None },
    };
    config.check()?;
    Ok(config)
}

/// What `hidden_act` of Gemma 1 means.
fn gemma_activation(value: &Value) -> Result<Value, String> {
    // Its first files say "gelu" and mean the approximation by tanh, as transformers computes them.
    let meant = |key: &str| if value[key] == "gelu" { "gelu_pytorch_tanh".into() } else { value[key].clone() };
    let (act, other) = (meant("hidden_act"), meant("hidden_activation"));
    if other.is_null() || other == act {
        return Ok(act);
    }
    // Which of them counts depends on the version of transformers.
    Err(format!(
        "`hidden_activation` is {} and `hidden_act` is {}; for Gemma 1 transformers goes by `hidden_act` alone: remove the other",
        value["hidden_activation"], value["hidden_act"]
    ))
}

fn multipliers(value: &Value) -> Result<Multipliers, String> {
    Ok(Multipliers {
        embedding: wanted(value, "embedding_multiplier")?,
        attention: wanted(value, "attention_multiplier")?,
        residual: wanted(value, "residual_multiplier")?,
        logits: wanted(value, "logits_scaling")?,
    })
}

fn activation(value: &Value, key: &str) -> Result<Activation, String> {
    let known = ACTIVATIONS.iter().find(|(name, _)| value[key] == *name);
    known.map(|(_, activation)| *activation).ok_or_else(|| {
        let names = ACTIVATIONS.map(|(name, _)| name).join(", ");
        format!("`{key}` is {}; titer computes {names}", value[key])
    })
}
