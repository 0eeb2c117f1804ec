//! How one model departs from plain Llama.

use super::{DecoderFamily, RopeScaling};
use crate::backend::Activation;

/// How one model departs from plain Llama; the default one does not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Variant {
    /// Its family.
    pub family: DecoderFamily,
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
    /// Factors on parts of the model, where the family has them.
    pub multipliers: Option<Multipliers>,
}

/// Factors on parts of the model (Granite's).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Multipliers {
    /// Of embeddings.
    pub embedding: f64,
    /// Of attention scores, in place of the root of a head's width.
    pub attention: f64,
    /// Of what attention and MLP add to the residual stream.
    pub residual: f64,
    /// What logits are divided by.
    pub logits: f64,
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
