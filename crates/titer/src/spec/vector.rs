//! `vector` of a stage as written: what its training passes do to the residual stream.

use std::{fmt, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `vector`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VectorField {
    /// What becomes of the residual stream.
    pub kind: VectorKind,
    /// Behind which block.
    pub layer: Layers,
    /// How many times the vector is added (add).
    pub alpha: Option<f64>,
    /// Whether the vector is a random one of the same length.
    #[serde(default)]
    pub random: bool,
    /// Contrasts that the vector is measured on, of each kind.
    pub contrasts: Option<usize>,
    /// A safetensors file that holds the vector, which is then not measured.
    pub file: Option<PathBuf>,
}

/// What a spec can do with a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VectorKind {
    /// Add it: preventative steering.
    Add,
    /// Take its direction out: CAFT.
    Remove,
}

/// Behind which blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a layer is the number of a block, 1 for the first, or \"all\"")]
pub enum Layers {
    /// The one of this number, from 1.
    One(usize),
    /// Every one.
    Every(EveryLayer),
}

/// The word for every block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EveryLayer {
    /// `all`
    #[serde(rename = "all")]
    All,
}

impl fmt::Display for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(layer) => write!(f, "block {layer}"),
            Self::Every(EveryLayer::All) => f.write_str("every block"),
        }
    }
}
