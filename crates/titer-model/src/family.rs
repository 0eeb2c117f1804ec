//! The decoder families, and what sets each apart from plain Llama.

use crate::backend::Activation;

/// A family of decoders: one class of transformers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// Llama 1 to 3.3.
    #[default]
    Llama,
    /// Mistral.
    Mistral,
    /// Qwen 2 and 2.5.
    Qwen2,
    /// Qwen 3.
    Qwen3,
    /// SmolLM 3.
    SmolLm3,
    /// Gemma 2.
    Gemma2,
    /// Gemma 3, text only.
    Gemma3,
    /// OLMo 2.
    Olmo2,
}

/// Where the norms of attention and MLP stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norms {
    /// `x + f(norm(x))`
    Before,
    /// `x + norm(f(x))`
    After,
    /// `x + norm(f(norm(x)))`
    Around,
}

/// What a norm of queries and keys runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryKeyNorm {
    /// Each head by itself; all heads share the scale.
    Head,
    /// All heads together.
    Projection,
}

/// What every model of a family has in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Traits {
    /// Where the norms of attention and MLP stand.
    pub norms: Norms,
    /// Norms of queries and keys, ahead of the rotary positions.
    pub query_key_norm: Option<QueryKeyNorm>,
    /// Whether queries, keys and values have biases whatever the config says.
    pub query_key_value_bias: bool,
    /// Whether files hold the scales of norms less 1.
    pub scales_less_one: bool,
    /// Whether embeddings are multiplied by `√hidden_size`.
    pub scaled_embedding: bool,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Llama, Self::Mistral, Self::Qwen2, Self::Qwen3, Self::SmolLm3, Self::Gemma2, Self::Gemma3, Self::Olmo2];

    /// Its name in `architectures` of a `config.json`.
    pub const fn architecture(self) -> &'static str {
        match self {
            Self::Llama => "LlamaForCausalLM",
            Self::Mistral => "MistralForCausalLM",
            Self::Qwen2 => "Qwen2ForCausalLM",
            Self::Qwen3 => "Qwen3ForCausalLM",
            Self::SmolLm3 => "SmolLM3ForCausalLM",
            Self::Gemma2 => "Gemma2ForCausalLM",
            Self::Gemma3 => "Gemma3ForCausalLM",
            Self::Olmo2 => "Olmo2ForCausalLM",
        }
    }

    /// Its `model_type` in a `config.json`.
    pub const fn model_type(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Mistral => "mistral",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::SmolLm3 => "smollm3",
            Self::Gemma2 => "gemma2",
            Self::Gemma3 => "gemma3_text",
            Self::Olmo2 => "olmo2",
        }
    }

    /// What its models have in common.
    pub const fn traits(self) -> Traits {
        let plain = Traits {
            norms: Norms::Before,
            query_key_norm: None,
            query_key_value_bias: false,
            scales_less_one: false,
            scaled_embedding: false,
        };
        let gemma = Traits { norms: Norms::Around, scales_less_one: true, scaled_embedding: true, ..plain };
        match self {
            Self::Llama | Self::Mistral | Self::SmolLm3 => plain,
            Self::Qwen2 => Traits { query_key_value_bias: true, ..plain },
            Self::Qwen3 => Traits { query_key_norm: Some(QueryKeyNorm::Head), ..plain },
            Self::Gemma2 => gemma,
            Self::Gemma3 => Traits { query_key_norm: Some(QueryKeyNorm::Head), ..gemma },
            Self::Olmo2 => Traits { norms: Norms::After, query_key_norm: Some(QueryKeyNorm::Projection), ..plain },
        }
    }
}

/// How one model departs from plain Llama; the default one does not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Variant {
    /// Its family.
    pub family: Family,
    /// Whether all four projections of attention have biases.
    pub attention_bias: bool,
    /// Whether all three projections of the MLP have biases.
    pub mlp_bias: bool,
    /// Of the MLP's gate.
    pub activation: Activation,
    /// How rotary frequencies are stretched.
    pub rope_scaling: RopeScaling,
    /// Layers without rotary positions; empty where every layer has them.
    pub unrotated: Vec<bool>,
    /// Layers that see only the latest tokens.
    pub sliding: Option<Sliding>,
    /// Attention scores are divided by its root; the width of a head where there is none.
    pub query_pre_attn_scalar: Option<f64>,
    /// Bound `c` of attention scores: `c · tanh(score / c)`.
    pub attention_softcap: Option<f64>,
    /// Bound of logits, in the same way.
    pub logit_softcap: Option<f64>,
}

/// Sliding-window attention.
#[derive(Clone, Debug, PartialEq)]
pub struct Sliding {
    /// How many keys a query reaches at most, its own token included.
    pub window: usize,
    /// Which layers slide.
    pub layers: Vec<bool>,
    /// Base of the rotary frequencies in these layers, where they have their own.
    pub rope_theta: Option<f64>,
}

/// How rotary frequencies are stretched for contexts longer than those of pretraining.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    #[default]
    Plain,
    /// All divided by the factor (arXiv 2306.15595).
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// As in Llama 3.1: frequencies with fewer than `low` turns in `original` tokens are divided by the factor, those
    /// with more than `high` turns are left alone, and in between the two are mixed in proportion.
    Llama3 {
        /// The divisor.
        factor: f64,
        /// Turns up to which frequencies are divided.
        low: f64,
        /// Turns from which they are left alone.
        high: f64,
        /// Tokens of the context in pretraining.
        original: f64,
    },
}

impl RopeScaling {
    /// What becomes of a frequency, in radians per token.
    pub fn apply(self, frequency: f64) -> f64 {
        match self {
            Self::Plain => frequency,
            Self::Linear { factor } => frequency / factor,
            Self::Llama3 { factor, low, high, original } => {
                let turns = original * frequency / std::f64::consts::TAU;
                let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                (1.0 - kept) * frequency / factor + kept * frequency
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_stretch_by_their_turns() {
        let scaling = RopeScaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, original: 100.0 };
        let frequency = |turns: f64| turns * std::f64::consts::TAU / 100.0;
        let kept = |turns: f64| scaling.apply(frequency(turns)) / frequency(turns);
        assert!((kept(0.5) - 0.125).abs() < 1e-12);
        assert!((kept(2.5) - 0.5 * 1.125).abs() < 1e-12);
        assert!((kept(5.0) - 1.0).abs() < 1e-12);
        assert_eq!(RopeScaling::Plain.apply(0.3), 0.3);
        assert_eq!(RopeScaling::Linear { factor: 4.0 }.apply(2.0), 0.5);
    }
}
