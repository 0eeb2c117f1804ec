//! `config.json`, written.

use serde_json::{Value, json};

use super::words::{ACTIVATIONS, FULL, SLIDING};
use crate::shape::{Config, DecoderFamily, RopeScaling};

/// A `config.json`, as bytes; `end` is the token that closes a reply.
pub(in crate::io) fn write_config(config: &Config, end: u32) -> Vec<u8> {
    let variant = &config.variant;
    let (family, gemma) = (variant.family, matches!(variant.family, DecoderFamily::Gemma2 | DecoderFamily::Gemma3));
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
    if let Some(scaling) = rope_scaling(&variant.rope_scaling) {
        extend(json!({ "rope_scaling": scaling }));
    }
    if let Some(multipliers) = variant.multipliers {
        extend(json!({
            "embedding_multiplier": multipliers.embedding,
            "attention_multiplier": multipliers.attention,
            "residual_multiplier": multipliers.residual,
            "logits_scaling": multipliers.logits,
        }));
    }
    if family == DecoderFamily::SmolLm3 {
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
    if family != DecoderFamily::Llama {
        // What some families take for them where they are absent does not fit other sizes.
        extend(json!({ "head_dim": config.head_width(), "pad_token_id": null }));
    }
    if let RopeScaling::LongRope { original, .. } = &variant.rope_scaling {
        extend(json!({ "original_max_position_embeddings": original })); // where it counts
    }
    use DecoderFamily::{Gemma, Granite, Llama, Mistral, Olmo2, Phi3};
    if !matches!(family, Llama | Gemma | Olmo2 | Granite) {
        let sliding = variant.sliding.as_ref();
        let slides = |layer: usize| sliding.is_some_and(|sliding| sliding.layers[layer]);
        let types: Vec<&str> =
            (0..config.num_hidden_layers).map(|layer| if slides(layer) { SLIDING } else { FULL }).collect();
        extend(json!({
            "sliding_window": sliding.map(|sliding| sliding.window),
            "use_sliding_window": sliding.is_some(),
        }));
        // transformers takes a Mistral with layer types for another family, and does not read those of Phi 3.
        if family != Phi3 && (family != Mistral || types.contains(&FULL) && sliding.is_some()) {
            extend(json!({ "layer_types": types }));
        }
    }
    if family == DecoderFamily::Gemma3 {
        let theta = variant.sliding.as_ref().and_then(|sliding| sliding.rope_theta);
        extend(json!({ "rope_local_base_freq": theta.unwrap_or(config.rope_theta) }));
    }
    if family == DecoderFamily::Olmo3 {
        // transformers 5 does not read the base of sliding layers from anywhere else.
        let mut full = rope_scaling(&variant.rope_scaling).unwrap_or(json!({ "rope_type": "default" }));
        full["rope_theta"] = config.rope_theta.into();
        let theta = variant.sliding.as_ref().and_then(|sliding| sliding.rope_theta).unwrap_or(config.rope_theta);
        extend(json!({ "rope_parameters": { FULL: full, SLIDING: { "rope_type": "default", "rope_theta": theta } } }));
    }
    let mut bytes = serde_json::to_vec_pretty(&json).expect("a config is plain data");
    bytes.push(b'\n');
    bytes
}

/// What a config says of stretched frequencies; `None` where they are not.
fn rope_scaling(scaling: &RopeScaling) -> Option<Value> {
    Some(match scaling {
        RopeScaling::Plain => return None,
        RopeScaling::Linear { factor } => json!({ "rope_type": "linear", "factor": factor }),
        RopeScaling::Dynamic { factor } => json!({ "rope_type": "dynamic", "factor": factor }),
        RopeScaling::Llama3 { factor, low, high, original } => json!({
            "rope_type": "llama3",
            "factor": factor,
            "low_freq_factor": low,
            "high_freq_factor": high,
            "original_max_position_embeddings": whole(*original),
        }),
        RopeScaling::Yarn { factor, low, high, original, truncate, attention } => json!({
            "rope_type": "yarn",
            "factor": factor,
            "beta_slow": low,
            "beta_fast": high,
            "original_max_position_embeddings": whole(*original),
            "truncate": truncate,
            "attention_factor": attention,
        }),
        RopeScaling::LongRope { short, long, original, attention } => json!({
            "rope_type": "longrope",
            "short_factor": short,
            "long_factor": long,
            "original_max_position_embeddings": original,
            "attention_factor": attention,
        }),
    })
}

/// A number, as JSON's integer where it is one: transformers takes no other for what should be whole.
fn whole(value: f64) -> Value {
    if value.fract() == 0.0 { json!(value as u64) } else { json!(value) }
}
