//! The number types of weights in files.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A number type of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// IEEE single precision.
    F32,
    /// Its upper half: as wide a range, 8 significant bits.
    Bf16,
    /// IEEE half precision: up to 65504, 11 significant bits.
    F16,
}

impl Dtype {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::F32, Self::Bf16, Self::F16];

    /// What command lines and specs call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }

    /// Bytes of one number.
    pub fn size(self) -> usize {
        if self == Self::F32 { 4 } else { 2 }
    }
}

impl FromStr for Dtype {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let known = Self::ALL.map(Self::word).join(", ");
        let found = Self::ALL.into_iter().find(|dtype| dtype.word() == word);
        found.ok_or_else(|| format!("`{word}` is no number type of weights; titer keeps {known}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_type_is_refused_by_name() {
        assert_eq!("bf16".parse(), Ok(Dtype::Bf16));
        let error = "int8".parse::<Dtype>().unwrap_err();
        assert_eq!(error, "`int8` is no number type of weights; titer keeps f32, bf16, f16");
    }
}
