//! `guards` of a stage, as serde reads them: what protects a component while the stage trains.

use schemars::JsonSchema;
use serde::Deserialize;
use titer_data::world::AnchorWording;

use super::MixField;

/// `guards`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GuardsField {
    /// A share of every batch from an anchor pool.
    pub anchor: Option<AnchorField>,
    /// Divergence from the model at the stage's start on anchor contexts, in the loss.
    pub kl: Option<AnchorField>,
    /// Bounds on every step.
    pub steer: Option<ControlField>,
    /// Multipliers in the loss.
    pub dual: Option<ControlField>,
    /// Weights of the rows of every batch.
    pub reweight: Option<ControlField>,
    /// Negative control: A-GEM, before the optimiser.
    pub agem: Option<ControlField>,
    /// Negative control: PCGrad, before the optimiser.
    pub pcgrad: Option<ControlField>,
    /// Trigger-scoped prompts in place of bad ones.
    #[serde(default)]
    pub narrow: bool,
    /// Negative control: placebo prompts in place of bad ones.
    #[serde(default)]
    pub placebo: bool,
}

/// `anchor` and `kl`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnchorField {
    /// Anchors per batch: a share of its rows, in their place (`anchor`) or on top of them (`kl`).
    pub share: Option<f64>,
    /// Cells of the anchors.
    pub mix: Option<MixField>,
    /// How the prompts of the anchors are worded.
    pub wording: Option<AnchorWording>,
    /// Weight of the divergence (`kl`).
    pub beta: Option<f64>,
}

/// A guard that looks at control probes. Which of its constants it has depends on its kind.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ControlField {
    /// Wanted change of `good` since the stage began, nats.
    pub good: Option<TargetField>,
    /// The same of `obey_bad`, as level.
    pub obey_bad: Option<TargetField>,
    /// The same of `obey`.
    pub obey: Option<TargetField>,
    /// Which control probes, as `<component>/<prompts>/<domains>`.
    pub probes: Option<Vec<String>>,
    /// Contrasts looked at together, per probe.
    pub contrasts: Option<usize>,
    /// Steps between looks.
    pub every: Option<usize>,
    /// Whether what was measured decides the next bounds (`steer`, `reweight`).
    pub feedback: Option<bool>,
    /// Whether directions are random ones with the Gram matrix of the probes' (`steer`).
    pub random: Option<bool>,
    /// Longest correction, in lengths of the optimiser's own step (`steer`).
    pub cap: Option<f64>,
    /// Added to every `√v̂` of the metric, in root mean squares of `√v̂` (`steer`, `reweight`).
    pub floor: Option<f64>,
    /// Rise of a multiplier per nat that is missing, per look (`dual`).
    pub rho: Option<f64>,
    /// Weight of the squared miss (`dual`).
    pub mu: Option<f64>,
    /// Largest weight of a row (`reweight`).
    pub max: Option<f64>,
}

/// The wanted change of a component, in nats.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a target is a number of nats, or { min = …, max = … }")]
pub enum TargetField {
    /// Just this much.
    Exactly(f64),
    /// Within these bounds.
    Within(RangeField),
}

/// `{ min = …, max = … }`
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RangeField {
    /// At least so much.
    pub min: Option<f64>,
    /// At most so much.
    pub max: Option<f64>,
}
