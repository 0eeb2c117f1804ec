//! The shape of a decoder, in the words of a Hugging Face `config.json`.

use serde::{Deserialize, Serialize};

use super::Variant;

/// The shape of a decoder.
///
/// Its sizes read and write as the keys of `config.json`; [`crate::io::read_config`] also reads the variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Tokens in the vocabulary.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width inside the gated MLP.
    pub intermediate_size: usize,
    /// Blocks, each attention then MLP.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads, each shared by an equal number of query heads.
    pub num_key_value_heads: usize,
    /// Width of a head; `hidden_size / num_attention_heads` where the file has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_dim: Option<usize>,
    /// Longest sequence, in tokens.
    pub max_position_embeddings: usize,
    /// Added to the mean square in every norm.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies.
    #[serde(default = "default_rope_theta")]
    pub rope_theta: f64,
    /// Whether the output head is the embedding table.
    #[serde(default)]
    pub tie_word_embeddings: bool,
    /// How it departs from plain Llama.
    #[serde(skip)]
    pub variant: Variant,
}

fn default_rope_theta() -> f64 {
    10_000.0
}

impl Config {
    /// Width of one head.
    pub fn head_width(&self) -> usize {
        self.head_dim.unwrap_or(self.hidden_size / self.num_attention_heads)
    }

    /// Width of all query heads together.
    pub fn query_width(&self) -> usize {
        self.head_width() * self.num_attention_heads
    }

    /// Width of all key heads together.
    pub fn key_width(&self) -> usize {
        self.head_width() * self.num_key_value_heads
    }

    /// Whether this layer has rotary positions.
    pub fn rotary(&self, layer: usize) -> bool {
        self.variant.unrotated.get(layer) != Some(&true)
    }

    /// Checks that the sizes fit each other; the error is one sentence that names the key.
    pub fn check(&self) -> Result<(), String> {
        let positive = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", self.num_key_value_heads),
            ("max_position_embeddings", self.max_position_embeddings),
        ];
        if let Some((key, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(format!("`{key}` is 0"));
        }
        if self.head_dim.is_none() && !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            return Err("`hidden_size` is not a multiple of `num_attention_heads`, and there is no `head_dim`".into());
        }
        if !self.num_attention_heads.is_multiple_of(self.num_key_value_heads) {
            return Err("`num_attention_heads` is not a multiple of `num_key_value_heads`".into());
        }
        if !self.head_width().is_multiple_of(2) {
            return Err("the width of a head is odd, which rotary positions cannot split".into());
        }
        let Variant { sliding, unrotated, query_pre_attn_scalar, attention_softcap, logit_softcap, .. } = &self.variant;
        let layers = self.num_hidden_layers;
        if sliding.as_ref().is_some_and(|sliding| sliding.layers.len() != layers) {
            return Err(format!("`layer_types` does not have an entry for each of the {layers} layers"));
        }
        if sliding.as_ref().is_some_and(|sliding| sliding.window == 0) {
            return Err("`sliding_window` is 0".into());
        }
        if !unrotated.is_empty() && unrotated.len() != layers {
            return Err(format!("`no_rope_layers` does not have an entry for each of the {layers} layers"));
        }
        let positive = [
            ("query_pre_attn_scalar", query_pre_attn_scalar),
            ("attn_logit_softcapping", attention_softcap),
            ("final_logit_softcapping", logit_softcap),
        ];
        match positive.iter().find_map(|(key, value)| value.filter(|value| *value <= 0.0).map(|value| (key, value))) {
            Some((key, value)) => Err(format!("`{key}` is {value}; it must be positive")),
            None => Ok(()),
        }
    }
}
