//! `model.compute` as written: the number type of products with weights that stay as their file holds them.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What frozen weights are multiplied in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compute {
    /// f32, whatever their file holds.
    #[default]
    F32,
    /// Those that their file holds as bf16 in bf16, with activations rounded to it and sums in f32; everything else in f32.
    Bf16,
}

impl Compute {
    const ALL: [Self; 2] = [Self::F32, Self::Bf16];

    /// What specs and command lines call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }

    /// Whether all is computed in f32.
    pub fn is_f32(&self) -> bool {
        *self == Self::F32
    }
}

impl FromStr for Compute {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let known = Self::ALL.map(Self::word).join(", ");
        let found = Self::ALL.into_iter().find(|compute| compute.word() == word);
        found.ok_or_else(|| format!("`{word}` is no number type that titer computes in; it knows {known}"))
    }
}
