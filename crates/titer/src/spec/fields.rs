//! The tables of a spec, as serde reads them. A field that is absent takes its value from `defaults.toml`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::MapAccess, ser::SerializeMap as _};
use titer_data::{
    cell::Cell,
    mix::{Mix, MixError},
    world::DomainSplit,
};

/// `[model]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFields {
    /// The word `organism`, or a folder.
    pub base: Option<String>,
}

/// `[probes]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeFields {
    /// Contrasts per probe.
    pub items: Option<usize>,
    /// Steps between measurements.
    pub every: Option<usize>,
}

/// `[[stage]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageFields {
    /// What other parts of the spec call it.
    pub name: Option<String>,
    /// Rows in all.
    pub rows: Option<usize>,
    /// Rows per step.
    pub batch: Option<usize>,
    /// Request domains.
    pub domains: Option<DomainSplit>,
    /// Shares of cells.
    pub mix: Option<MixField>,
    /// Update rule.
    pub optimiser: Option<Optimiser>,
    /// Learning rate over the steps.
    pub schedule: Option<Schedule>,
    /// Longest gradient.
    pub clip: Option<f64>,
    /// What the nats of a row are divided by.
    pub divisor: Option<f64>,
}

/// An update rule with its constants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Optimiser {
    /// Stochastic gradient descent.
    Sgd {
        /// Learning rate.
        lr: f64,
        /// Share of the last velocity that is kept.
        #[serde(default)]
        momentum: f64,
    },
    /// Adam with decoupled weight decay.
    AdamW {
        /// Learning rate.
        lr: f64,
        /// Decay of the first moment.
        #[serde(default = "beta1")]
        beta1: f64,
        /// Decay of the second moment.
        #[serde(default = "beta2")]
        beta2: f64,
        /// Added to the root of the second moment.
        #[serde(default = "eps")]
        eps: f64,
        /// Weight decay per step, times the learning rate.
        #[serde(default)]
        weight_decay: f64,
    },
}

// What `defaults.toml` says, for an optimiser that a spec names with fewer constants (a test compares them).
fn beta1() -> f64 {
    0.9
}
fn beta2() -> f64 {
    0.98
}
fn eps() -> f64 {
    1e-8
}

impl Optimiser {
    /// What is wrong with its numbers, if anything.
    pub(crate) fn problem(&self) -> Option<String> {
        let unit = |value: f64| (0.0..1.0).contains(&value);
        let (lr, shares) = match *self {
            Self::Sgd { lr, momentum } => (lr, vec![("momentum", momentum)]),
            Self::AdamW { lr, beta1, beta2, .. } => (lr, vec![("beta1", beta1), ("beta2", beta2)]),
        };
        if !(lr.is_finite() && lr > 0.0) {
            return Some(format!("the learning rate is {lr}; it must be above 0"));
        }
        if let Self::AdamW { eps, weight_decay, .. } = *self
            && !(eps > 0.0 && weight_decay >= 0.0)
        {
            return Some(format!(
                "`eps` is {eps} and `weight_decay` {weight_decay}; one must be above 0, the other not below"
            ));
        }
        let (name, value) = shares.into_iter().find(|(_, value)| !unit(*value))?;
        Some(format!("`{name}` is {value}; it must lie between 0 and 1"))
    }
}

/// How the learning rate falls after warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decay {
    /// It stays.
    None,
    /// In a straight line.
    Linear,
    /// Along half a cosine.
    Cosine,
}

/// The learning rate over the steps of a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Steps of linear rise.
    #[serde(default)]
    pub warmup: usize,
    /// What comes then.
    #[serde(default = "Schedule::no_decay")]
    pub decay: Decay,
    /// Share of the learning rate at the end.
    #[serde(default)]
    pub floor: f64,
}

impl Schedule {
    fn no_decay() -> Decay {
        Decay::None
    }
}

/// A mix as written: shares of cells, and the cell of the rest.
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

impl Serialize for MixField {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (cell, share) in &self.shares {
            map.serialize_entry(cell, share)?;
        }
        if let Some(rest) = &self.rest {
            map.serialize_entry("rest", rest)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for MixField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = MixField;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of cells and shares, such as { \"bad→good\" = 0.1, rest = \"neutral→good\" }")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<MixField, A::Error> {
                let mut mix = MixField::default();
                while let Some(key) = map.next_key::<String>()? {
                    if key == "rest" {
                        mix.rest = Some(map.next_value()?);
                    } else {
                        let cell = key.parse().map_err(serde::de::Error::custom)?;
                        mix.shares.push((cell, map.next_value()?));
                    }
                }
                Ok(mix)
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}
