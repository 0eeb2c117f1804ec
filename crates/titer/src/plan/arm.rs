//! An arm: one setting of the swept axes.

use toml::Value;

use super::StagePlan;
use crate::spec::ControlKind;

/// One setting of the swept axes.
#[derive(Clone, Debug)]
pub struct Arm {
    /// A name to show, from its settings.
    pub name: String,
    /// The value of each axis, as in [`SweepPlan::axes`](super::SweepPlan::axes); a control that titer added has none for axes of a
    /// mix.
    pub settings: Vec<(String, Value)>,
    /// Index of its control among the arms: the same stages with `neutral→good` rows only.
    pub control: usize,
    /// Its controls of inoculation, as indices of arms.
    pub inoculation: Vec<(ControlKind, usize)>,
    /// What is trained.
    pub stages: Vec<StagePlan>,
}
