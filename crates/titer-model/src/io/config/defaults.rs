//! What a family takes where a key is absent.

use serde_json::{Map, Value, json};

use super::rope::OLMO_3_THETA;
use crate::shape::DecoderFamily;

/// What transformers takes where a key is absent.
pub(super) fn defaults(family: DecoderFamily) -> Map<String, Value> {
    let defaults = match family {
        DecoderFamily::Llama | DecoderFamily::Olmo2 => json!({}),
        DecoderFamily::Olmo3 => json!({ "sliding_window": 4096, "rope_theta": OLMO_3_THETA }),
        DecoderFamily::Phi3 => json!({ "original_max_position_embeddings": 4096 }),
        DecoderFamily::Granite => json!({
            "embedding_multiplier": 1.0,
            "attention_multiplier": 1.0,
            "residual_multiplier": 1.0,
            "logits_scaling": 1.0,
        }),
        DecoderFamily::Gemma => {
            json!({ "tie_word_embeddings": true, "head_dim": 256, "hidden_act": "gelu_pytorch_tanh" })
        }
        DecoderFamily::Mistral => json!({ "sliding_window": 4096 }),
        DecoderFamily::Qwen2 => json!({ "sliding_window": 4096, "max_window_layers": 28 }),
        DecoderFamily::Qwen3 => json!({ "head_dim": 128, "sliding_window": 4096, "max_window_layers": 28 }),
        DecoderFamily::SmolLm3 => {
            json!({ "tie_word_embeddings": true, "rope_theta": 2e6, "no_rope_layer_interval": 4 })
        }
        DecoderFamily::Gemma2 => json!({
            "tie_word_embeddings": true,
            "head_dim": 256,
            "query_pre_attn_scalar": 256,
            "sliding_window": 4096,
            "attn_logit_softcapping": 50.0,
            "final_logit_softcapping": 30.0,
            "hidden_activation": "gelu_pytorch_tanh",
        }),
        DecoderFamily::Gemma3 => json!({
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
