//! `[slurm]`: how a sweep is given to a Slurm cluster. It decides no number, so it is no part of a run's plan.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de::IntoDeserializer as _};

use super::schema::TextOrNumber;

/// `[slurm]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlurmFields {
    /// The partition.
    pub partition: Option<String>,
    /// The account that is charged.
    pub account: Option<String>,
    /// The time limit of a slot, as `sbatch --time` takes it.
    #[serde(default, deserialize_with = "word")]
    #[schemars(with = "Option<TextOrNumber>")]
    pub time: Option<String>,
    /// Processors of a slot, which are its threads.
    pub cpus: Option<usize>,
    /// GPUs of a slot, as `sbatch --gpus` takes them.
    #[serde(default, deserialize_with = "word")]
    #[schemars(with = "Option<TextOrNumber>")]
    pub gpus: Option<String>,
    /// Memory of a slot, as `sbatch --mem` takes it.
    #[serde(default, deserialize_with = "word")]
    #[schemars(with = "Option<TextOrNumber>")]
    pub memory: Option<String>,
    /// How many slots run at once, at most.
    pub at_once: Option<usize>,
    /// How many slots there are.
    pub slots: Option<usize>,
    /// Lines for the batch script: `#SBATCH` options, and commands before titer starts.
    #[serde(default)]
    pub lines: Vec<String>,
}

/// A text, or a whole number in its place.
fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let value = toml::Value::deserialize(deserializer)?;
    match value {
        toml::Value::Integer(number) => Ok(Some(number.to_string())),
        other => String::deserialize(other.into_deserializer())
            .map(Some)
            .map_err(|_| serde::de::Error::custom("expected a text or a whole number")),
    }
}
