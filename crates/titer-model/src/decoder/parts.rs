//! The layers of a decoder, as its config wants them.

use crate::{
    backend::Heads,
    layers::{Attention, Linear, Mlp, Norm, Product, Projection, Residual},
    params::{BlockIds, LinearIds, ParamId},
    shape::{Config, QueryKeyNorm},
};

pub(super) fn linear(LinearIds { weight, bias }: LinearIds, inputs: usize, outputs: usize) -> Linear {
    Linear { product: Product { weight, inputs, outputs, trained: true }, bias, lora: None, attached: None }
}

pub(super) fn norm(config: &Config, scale: ParamId, heads: usize) -> Norm {
    Norm { scale, eps: config.rms_norm_eps, heads, trained: true }
}

fn residual(config: &Config, before: Option<ParamId>, after: Option<ParamId>) -> Residual {
    let norm = |scale| norm(config, scale, 1);
    let factor = config.variant.multipliers.map_or(1.0, |multipliers| multipliers.residual);
    Residual { before: before.map(norm), after: after.map(norm), factor }
}

pub(super) fn attention(config: &Config, at: usize, ids: &BlockIds) -> Attention {
    let variant = &config.variant;
    let (width, queries, keys) = (config.hidden_size, config.query_width(), config.key_width());
    let sliding = variant.sliding.as_ref().filter(|sliding| sliding.layers[at]);
    let rope = config.rotary(at).then(|| usize::from(sliding.is_some_and(|sliding| sliding.rope_theta.is_some())));
    let head_width = config.head_width();
    let heads_apart = variant.family.traits().query_key_norm == Some(QueryKeyNorm::Head);
    let projection = |ids, scale: Option<ParamId>, heads: usize| {
        let norm = scale.map(|scale| norm(config, scale, if heads_apart { heads } else { 1 }));
        Projection { linear: linear(ids, width, heads * head_width), norm, rope, head_width }
    };
    let (query_heads, key_heads) = (config.num_attention_heads, config.num_key_value_heads);
    Attention {
        residual: residual(config, ids.attention_before, ids.attention_after),
        query: projection(ids.query, ids.query_norm, query_heads),
        key: projection(ids.key, ids.key_norm, key_heads),
        value: linear(ids.value, width, keys),
        output: linear(ids.output, queries, width),
        heads: Heads {
            queries: query_heads,
            keys: key_heads,
            width: head_width,
            scale: match variant.multipliers {
                Some(multipliers) => multipliers.attention,
                None => variant.query_pre_attn_scalar.unwrap_or(head_width as f64).sqrt().recip(),
            },
            softcap: variant.attention_softcap,
        },
        sliding: sliding.is_some(),
    }
}

pub(super) fn mlp(config: &Config, ids: &BlockIds) -> Mlp {
    let (width, inner) = (config.hidden_size, config.intermediate_size);
    Mlp {
        residual: residual(config, ids.mlp_before, ids.mlp_after),
        gate: linear(ids.gate, width, inner),
        up: linear(ids.up, width, inner),
        down: linear(ids.down, inner, width),
        activation: config.variant.activation,
    }
}
