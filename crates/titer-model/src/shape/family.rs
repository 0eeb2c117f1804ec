//! The decoder families, and what sets each apart from plain Llama.

/// A family of decoders: one class of transformers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecoderFamily {
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
    /// Gemma 1.
    Gemma,
    /// Gemma 2.
    Gemma2,
    /// Gemma 3, text only.
    Gemma3,
    /// OLMo 2.
    Olmo2,
    /// OLMo 3.
    Olmo3,
    /// Granite 3 and 4, dense.
    Granite,
    /// Phi 3, 3.5 and 4, without the small ones of 4.
    Phi3,
}

/// Where the norms of attention and MLP stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Norms {
    /// `x + f(norm(x))`
    Before,
    /// `x + norm(f(x))`
    After,
    /// `x + norm(f(norm(x)))`
    Around,
}

/// What a norm of queries and keys runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueryKeyNorm {
    /// Each head by itself; all heads share the scale.
    Head,
    /// All heads together.
    Projection,
}

/// What every model of a family has in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Traits {
    /// Where the norms of attention and MLP stand.
    pub(crate) norms: Norms,
    /// Norms of queries and keys, ahead of the rotary positions.
    pub(crate) query_key_norm: Option<QueryKeyNorm>,
    /// Whether queries, keys and values have biases whatever the config says.
    pub(crate) query_key_value_bias: bool,
    /// Whether files hold the scales of norms less 1.
    pub(crate) scales_less_one: bool,
    /// Whether embeddings are multiplied by `√hidden_size`.
    pub(crate) scaled_embedding: bool,
    /// Whether files hold queries, keys and values as one tensor, and gate and up as another.
    pub(crate) fused: bool,
}

impl DecoderFamily {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Llama,
        Self::Mistral,
        Self::Qwen2,
        Self::Qwen3,
        Self::SmolLm3,
        Self::Gemma,
        Self::Gemma2,
        Self::Gemma3,
        Self::Olmo2,
        Self::Olmo3,
        Self::Granite,
        Self::Phi3,
    ];

    /// Its name in `architectures` of a `config.json`.
    pub const fn architecture(self) -> &'static str {
        match self {
            Self::Llama => "LlamaForCausalLM",
            Self::Mistral => "MistralForCausalLM",
            Self::Qwen2 => "Qwen2ForCausalLM",
            Self::Qwen3 => "Qwen3ForCausalLM",
            Self::SmolLm3 => "SmolLM3ForCausalLM",
            Self::Gemma => "GemmaForCausalLM",
            Self::Gemma2 => "Gemma2ForCausalLM",
            Self::Gemma3 => "Gemma3ForCausalLM",
            Self::Olmo2 => "Olmo2ForCausalLM",
            Self::Olmo3 => "Olmo3ForCausalLM",
            Self::Granite => "GraniteForCausalLM",
            Self::Phi3 => "Phi3ForCausalLM",
        }
    }

    /// Its `model_type` in a `config.json`.
    pub(crate) const fn model_type(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Mistral => "mistral",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::SmolLm3 => "smollm3",
            Self::Gemma => "gemma",
            Self::Gemma2 => "gemma2",
            Self::Gemma3 => "gemma3_text",
            Self::Olmo2 => "olmo2",
            Self::Olmo3 => "olmo3",
            Self::Granite => "granite",
            Self::Phi3 => "phi3",
        }
    }

    /// What its models have in common.
    pub(crate) const fn traits(self) -> Traits {
        let plain = Traits {
            norms: Norms::Before,
            query_key_norm: None,
            query_key_value_bias: false,
            scales_less_one: false,
            scaled_embedding: false,
            fused: false,
        };
        let gemma = Traits { norms: Norms::Around, scales_less_one: true, scaled_embedding: true, ..plain };
        match self {
            Self::Llama | Self::Mistral | Self::SmolLm3 | Self::Granite => plain,
            Self::Phi3 => Traits { fused: true, ..plain },
            Self::Qwen2 => Traits { query_key_value_bias: true, ..plain },
            Self::Qwen3 => Traits { query_key_norm: Some(QueryKeyNorm::Head), ..plain },
            Self::Gemma => Traits { norms: Norms::Before, ..gemma },
            Self::Gemma2 => gemma,
            Self::Gemma3 => Traits { query_key_norm: Some(QueryKeyNorm::Head), ..gemma },
            Self::Olmo2 | Self::Olmo3 => {
                Traits { norms: Norms::After, query_key_norm: Some(QueryKeyNorm::Projection), ..plain }
            }
        }
    }
}
