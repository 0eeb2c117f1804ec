//! The shape of a decoder, in the words of a Hugging Face `config.json`.

use serde::{Deserialize, Serialize};

use super::{RopeScaling, Variant};

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

/// Tables of rotary angles go no further, whatever a config says.
const LONGEST_ROW: usize = 1 << 17;

/// The largest of each size, by its key: beyond what any decoder has, and small enough that products of two are numbers.
const LARGEST: [(&str, usize); 8] = [
    ("vocab_size", 1 << 24),
    ("hidden_size", 1 << 18),
    ("intermediate_size", 1 << 20),
    ("num_hidden_layers", 1 << 12),
    ("num_attention_heads", 1 << 12),
    ("num_key_value_heads", 1 << 12),
    ("head_dim", 1 << 10),
    ("max_position_embeddings", 1 << 31),
];

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

    /// The most tokens of a row that titer computes: the model's positions, as far as [`LONGEST_ROW`] and its rotary frequencies
    /// reach.
    pub fn longest_row(&self) -> usize {
        let reach = self.variant.rope_scaling.reach().unwrap_or(self.max_position_embeddings);
        self.max_position_embeddings.min(reach).min(LONGEST_ROW)
    }

    /// Whether this layer has rotary positions.
    pub fn rotary(&self, layer: usize) -> bool {
        self.variant.unrotated.get(layer) != Some(&true)
    }

    /// Checks that no size is 0 or beyond any model's, before anything is made of that size.
    pub(crate) fn check_sizes(&self) -> Result<(), String> {
        let sizes = [
            self.vocab_size,
            self.hidden_size,
            self.intermediate_size,
            self.num_hidden_layers,
            self.num_attention_heads,
            self.num_key_value_heads,
            self.head_dim.unwrap_or(1),
            self.max_position_embeddings,
        ];
        for ((key, largest), size) in LARGEST.into_iter().zip(sizes) {
            if size == 0 {
                return Err(format!("`{key}` is 0"));
            }
            if size > largest {
                return Err(format!("`{key}` is {size}; titer computes no model beyond {largest}"));
            }
        }
        Ok(())
    }

    /// Checks that the sizes fit each other; the error is one sentence that names the key.
    pub fn check(&self) -> Result<(), String> {
        self.check_sizes()?;
        if self.head_dim.is_none() && !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            return Err("`hidden_size` is not a multiple of `num_attention_heads`, and there is no `head_dim`".into());
        }
        if !self.num_attention_heads.is_multiple_of(self.num_key_value_heads) {
            return Err("`num_attention_heads` is not a multiple of `num_key_value_heads`".into());
        }
        if self.head_width() > 1 << 10 {
            return Err(format!(
                "the width of a head is {}; titer computes no model beyond {}",
                self.head_width(),
                1 << 10
            ));
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
        if let RopeScaling::LongRope { short, long, .. } = &self.variant.rope_scaling
            && [short.len(), long.len()] != [self.head_width() / 2; 2]
        {
            return Err(format!("`short_factor` and `long_factor` must have {} numbers each", self.head_width() / 2));
        }
        if !(self.rope_theta.is_finite() && self.rope_theta > 1.0) {
            return Err(format!("`rope_theta` is {}; it must be above 1", self.rope_theta));
        }
        if !(self.rms_norm_eps.is_finite() && self.rms_norm_eps >= 0.0) {
            return Err(format!("`rms_norm_eps` is {}; it must not be negative", self.rms_norm_eps));
        }
        let factors = variant_factors(&self.variant);
        if let Some((key, value)) = factors.into_iter().find(|(_, value)| !(value.is_finite() && *value > 0.0)) {
            return Err(format!("`{key}` is {value}; it must be positive"));
        }
        match positive.iter().find_map(|(key, value)| value.filter(|value| *value <= 0.0).map(|value| (key, value))) {
            Some((key, value)) => Err(format!("`{key}` is {value}; it must be positive")),
            None => Ok(()),
        }
    }
}

/// Numbers that rotary positions and scores are multiplied with or divided by, by their keys.
fn variant_factors(variant: &Variant) -> Vec<(&'static str, f64)> {
    let mut factors = match &variant.rope_scaling {
        RopeScaling::Plain => Vec::new(),
        RopeScaling::Linear { factor } | RopeScaling::Dynamic { factor } => vec![("factor", *factor)],
        RopeScaling::Llama3 { factor, low, high, original } => vec![
            ("factor", *factor),
            ("low_freq_factor", *low),
            ("high_freq_factor", *high),
            ("original_max_position_embeddings", *original),
        ],
        RopeScaling::Yarn { factor, low, high, original, attention, .. } => vec![
            ("factor", *factor),
            ("beta_slow", *low),
            ("beta_fast", *high),
            ("original_max_position_embeddings", *original),
            ("attention_factor", *attention),
        ],
        RopeScaling::LongRope { short, long, original, attention } => {
            let each = short.iter().map(|factor| ("short_factor", *factor));
            let each = each.chain(long.iter().map(|factor| ("long_factor", *factor)));
            each.chain([("original_max_position_embeddings", *original as f64), ("attention_factor", *attention)])
                .collect()
        }
    };
    factors.extend(variant.multipliers.iter().flat_map(|multipliers| {
        [
            ("embedding_multiplier", multipliers.embedding),
            ("attention_multiplier", multipliers.attention),
            ("residual_multiplier", multipliers.residual),
            ("logits_scaling", multipliers.logits),
        ]
    }));
    factors
}
