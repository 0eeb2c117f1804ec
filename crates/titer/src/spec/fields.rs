//! The tables of a spec, as serde reads them. A field that is absent takes its value from `defaults.toml`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use titer_data::world::DomainSplit;

use super::{GuardsField, MixField};

/// `[model]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFields {
    /// The word `organism`, a folder, or a hub id that is in the local cache.
    pub base: Option<String>,
    /// Rank of the adapters that are trained in place of everything.
    pub lora: Option<usize>,
}

/// `[data]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataFields {
    /// A file of chat rows, each with its cell; seen from the spec's folder.
    pub rows: PathBuf,
    /// A file of contrasts.
    pub probes: PathBuf,
}

impl DataFields {
    /// The same with paths that are seen from where the spec at `path` is seen from.
    pub(super) fn seen_from(self, path: &Path) -> Self {
        let folder = path.parent().unwrap_or(Path::new(""));
        Self { rows: folder.join(self.rows), probes: folder.join(self.probes) }
    }
}

/// `[probes]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeFields {
    /// Contrasts per probe.
    pub items: Option<usize>,
    /// Steps between measurements.
    pub every: Option<usize>,
}

/// `[[claim]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimFields {
    /// The claim in words.
    pub text: String,
    /// Arithmetic over measured quantities.
    pub value: String,
    /// Where it should lie: `> 0`, `< 0.1`, `within 0.2 of 2`.
    pub bound: String,
    /// When quantities are read that name no moment: words or a number of steps.
    pub at: Option<toml::Value>,
    /// Which arms: `all`, or settings of axes.
    pub arms: Option<toml::Value>,
    /// The arm whose value is taken off: `control`, or settings of axes that differ.
    pub against: Option<toml::Value>,
    /// The other side of a correlation.
    pub with: Option<String>,
    /// `spearman` or `pearson`.
    pub correlation: Option<String>,
    /// `each seed` or `pooled`.
    pub over: Option<String>,
}

/// `[[stage]]`
#[derive(Clone, Debug, Default, Deserialize)]
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
    /// Shares of cells; a mix replaces the default one whole.
    pub mix: Option<MixField>,
    /// Update rule.
    #[serde(default)]
    pub optimiser: OptimiserFields,
    /// Learning rate over the steps.
    #[serde(default)]
    pub schedule: ScheduleFields,
    /// Longest gradient.
    pub clip: Option<f64>,
    /// What the nats of a row are divided by.
    pub divisor: Option<f64>,
    /// What protects a component.
    #[serde(default)]
    pub guards: GuardsField,
}

/// `optimiser`, the fields of all kinds in one table: only so does an unknown one have a line.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimiserFields {
    /// Which rule.
    pub kind: Option<OptimiserKind>,
    /// Learning rate.
    pub lr: Option<f64>,
    /// Share of the last velocity that is kept (sgd).
    pub momentum: Option<f64>,
    /// Decay of the first moment (adamw).
    pub beta1: Option<f64>,
    /// Decay of the second moment (adamw).
    pub beta2: Option<f64>,
    /// Added to the root of the second moment (adamw).
    pub eps: Option<f64>,
    /// Weight decay per step, times the learning rate (adamw).
    pub weight_decay: Option<f64>,
}

/// The update rules that a spec can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimiserKind {
    /// Adam with decoupled weight decay.
    AdamW,
    /// Stochastic gradient descent.
    Sgd,
}

/// `schedule`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleFields {
    /// Steps of linear rise.
    pub warmup: Option<usize>,
    /// What comes then.
    pub decay: Option<Decay>,
    /// Share of the learning rate at the end.
    pub floor: Option<f64>,
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
