//! Words of `config.json` that reading and writing share.

use crate::backend::Activation;

/// Layer types, as `layer_types` calls them.
pub(super) const SLIDING: &str = "sliding_attention";
pub(super) const FULL: &str = "full_attention";

/// The gate's activation by its names in `config.json`.
pub(super) const ACTIVATIONS: [(&str, Activation); 3] =
    [("silu", Activation::Silu), ("swish", Activation::Silu), ("gelu_pytorch_tanh", Activation::GeluTanh)];
