//! `model.lora` as written: a rank, or `{ r = 16, alpha = 32, rslora = true, targets = ["q_proj", "v_proj"] }`.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, MapAccess, Visitor, value::MapAccessDeserializer},
};

/// The adapters that are trained in place of everything.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lora {
    /// Rank.
    pub r: usize,
    /// What an adapter adds is scaled by `alpha / r`, or by `alpha / √r` with `rslora`.
    pub alpha: f64,
    /// See [`Lora::alpha`] (arXiv 2312.03732).
    pub rslora: bool,
    /// Names of linear layers in every block; empty for all of them.
    pub targets: Vec<String>,
}

impl Lora {
    /// Of this rank on every linear layer, with `alpha = 2 r`.
    pub fn of_rank(r: usize) -> Self {
        Self { r, alpha: 2.0 * r as f64, rslora: false, targets: Vec::new() }
    }
}

impl<'de> Deserialize<'de> for Lora {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Fields {
            r: usize,
            alpha: Option<f64>,
            #[serde(default)]
            rslora: bool,
            #[serde(default)]
            targets: Vec<String>,
        }

        struct RankOrTable;
        impl<'de> Visitor<'de> for RankOrTable {
            type Value = Lora;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rank, or a table such as { r = 16, alpha = 32, targets = [\"q_proj\", \"v_proj\"] }")
            }

            fn visit_i64<E: serde::de::Error>(self, rank: i64) -> Result<Lora, E> {
                usize::try_from(rank).map(Lora::of_rank).map_err(|_| E::custom(format!("the rank is {rank}")))
            }

            fn visit_u64<E: serde::de::Error>(self, rank: u64) -> Result<Lora, E> {
                usize::try_from(rank).map(Lora::of_rank).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Lora, A::Error> {
                let Fields { r, alpha, rslora, targets } = Fields::deserialize(MapAccessDeserializer::new(map))?;
                if alpha.is_some_and(|alpha| !(alpha.is_finite() && alpha > 0.0)) {
                    return Err(A::Error::custom("`alpha` is no number above 0"));
                }
                Ok(Lora { alpha: alpha.unwrap_or(2.0 * r as f64), rslora, targets, ..Lora::of_rank(r) })
            }
        }
        deserializer.deserialize_any(RankOrTable)
    }
}
