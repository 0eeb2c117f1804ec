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

/// The adapters as a spec writes them. A plan writes a list of no layers for all of them; who writes that in a spec means none.
pub(super) fn written<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Lora>, D::Error> {
    Lora::read(deserializer, false).map(Some)
}

impl<'de> Deserialize<'de> for Lora {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(deserializer, true)
    }
}

impl Lora {
    /// Reads a rank or a table; `all` says whether a list of no layers means all of them.
    fn read<'de, D: Deserializer<'de>>(deserializer: D, all: bool) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Fields {
            r: usize,
            alpha: Option<f64>,
            #[serde(default)]
            rslora: bool,
            targets: Option<Vec<String>>,
        }

        struct RankOrTable {
            all: bool,
        }
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
                if !self.all && targets.as_ref().is_some_and(Vec::is_empty) {
                    return Err(A::Error::custom("`targets` names no layer: leave it out, and all are trained"));
                }
                let targets = targets.unwrap_or_default();
                Ok(Lora { alpha: alpha.unwrap_or(2.0 * r as f64), rslora, targets, ..Lora::of_rank(r) })
            }
        }
        deserializer.deserialize_any(RankOrTable { all })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_a_spec_a_list_of_no_layers_is_refused_and_in_a_plan_it_is_all_of_them() {
        let spec =
            |text: &str| written(&mut serde_json::Deserializer::from_str(text)).map_err(|error| error.to_string());
        assert_eq!(spec(r#"{"r": 4}"#), Ok(Some(Lora::of_rank(4))));
        assert_eq!(spec("4"), Ok(Some(Lora::of_rank(4))));
        assert_eq!(spec(r#"{"r": 4, "targets": ["q_proj"]}"#).unwrap().unwrap().targets, ["q_proj"]);
        assert!(spec(r#"{"r": 4, "targets": []}"#).unwrap_err().contains("`targets` names no layer"));
        let planned = serde_json::to_string(&Lora::of_rank(4)).unwrap();
        assert_eq!(serde_json::from_str::<Lora>(&planned).unwrap(), Lora::of_rank(4));
    }
}
