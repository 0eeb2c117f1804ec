//! The special tokens that a tokenizer_config.json names.

use std::collections::BTreeMap;

/// The special tokens that templates may use, by variable name: `bos_token`, `eos_token`, …
pub type SpecialTokens = BTreeMap<String, String>;

/// The special tokens of a parsed `tokenizer_config.json`: keys that end in `_token`, as strings or as objects with
/// a `content`.
pub fn special_tokens(config: &serde_json::Map<String, serde_json::Value>) -> SpecialTokens {
    config
        .iter()
        .filter(|(key, _)| key.ends_with("_token"))
        .filter_map(|(key, value)| {
            let token = value.as_str().or_else(|| value.get("content")?.as_str())?;
            Some((key.clone(), token.to_owned()))
        })
        .collect()
}
