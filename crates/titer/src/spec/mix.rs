//! A mix as written: `{ "bad→good" = 0.1, rest = "neutral→good" }`.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use titer_data::{
    cell::Cell,
    mix::{Mix, MixError},
};

/// Shares of cells, and the cell of the rest.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct MixField {
    /// Cells with their shares, in the order of the spec.
    pub shares: Vec<(Cell, f64)>,
    /// The cell that fills what is left.
    pub rest: Option<Cell>,
}

impl MixField {
    /// The mix, checked.
    pub fn mix(&self) -> Result<Mix, MixError> {
        Mix::new(self.shares.clone(), self.rest)
    }
}

impl<'de> Deserialize<'de> for MixField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shares;
        impl<'de> Visitor<'de> for Shares {
            type Value = MixField;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#"a table of cells and shares, such as { "bad→good" = 0.1, rest = "neutral→good" }"#)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<MixField, A::Error> {
                let mut mix = MixField::default();
                while let Some(key) = map.next_key::<String>()? {
                    if key == "rest" {
                        mix.rest = Some(map.next_value()?);
                    } else {
                        let cell = key.parse().map_err(A::Error::custom)?;
                        mix.shares.push((cell, map.next_value()?));
                    }
                }
                Ok(mix)
            }
        }
        deserializer.deserialize_map(Shares)
    }
}
