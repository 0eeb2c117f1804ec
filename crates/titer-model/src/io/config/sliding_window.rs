//! Sliding windows in `config.json`.

use serde_json::Value;

use super::{
    keys::{count, flag},
    words::{FULL, SLIDING},
};
use crate::shape::DecoderFamily;

/// The window, and which layers slide; `None` where none does.
pub(super) fn sliding(
    family: DecoderFamily,
    value: &Value,
    layers: usize,
    unrotated: &[bool],
) -> Result<Option<(usize, Vec<bool>)>, String> {
    use DecoderFamily::{Gemma, Gemma2, Gemma3, Granite, Llama, Mistral, Olmo2, Olmo3, Phi3, Qwen2, Qwen3, SmolLm3};
    let used = matches!(family, Mistral | Phi3 | Gemma2 | Gemma3 | Olmo3) || flag(value, "use_sliding_window")?;
    let window = if used || family == SmolLm3 { count(value, "sliding_window")? } else { None };
    let by_layer = |slides: &dyn Fn(usize) -> bool| (0..layers).map(slides).collect::<Vec<bool>>();
    let slide = match (family, &value["layer_types"]) {
        (Llama | Gemma | Olmo2 | Granite, _) => return Ok(None),
        (Phi3, Value::Array(types)) if window.is_some() && types.iter().any(|name| name != SLIDING) => {
            return Err(format!(
                "`layer_types` has others than {SLIDING}, and `sliding_window` is set: transformers slides every layer of Phi 3 then; \
                 remove one of them"
            ));
        }
        (_, Value::Array(types)) => types.iter().map(layer_type).collect::<Result<_, _>>()?,
        (Mistral | Phi3, _) => by_layer(&|_| window.is_some()),
        (Qwen2 | Qwen3, _) => {
            let first = count(value, "max_window_layers")?.unwrap_or(layers);
            by_layer(&|layer| window.is_some() && layer >= first)
        }
        (SmolLm3, _) => by_layer(&|layer| used && window.is_some() && unrotated.get(layer) == Some(&true)),
        (Olmo3, _) => by_layer(&|layer| !(layer + 1).is_multiple_of(4)),
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
