//! What a run's tables say of the run.

use super::SweepRecord;
use crate::{
    plan::{RunPlan, Setting},
    table::{Column, Labels},
};

impl SweepRecord {
    /// The labels of a run that is made for the arm of this index: other arms may share it.
    pub(super) fn labels(&self, plan: &RunPlan, arm: usize) -> Labels {
        let axes = self.axis.iter().map(|axis| {
            let settings: Vec<_> = self.arm.iter().map(|arm| arm.settings.get(&axis.name).map(Setting::of)).collect();
            let numbers = settings.iter().flatten().all(|setting| setting.number().is_some());
            Column::axis(&axis.name, numbers, [settings[arm].as_ref()].into_iter())
        });
        Labels::of_run(&plan.id().0, &self.arm[arm].name, plan.seed, axes.collect())
    }
}
