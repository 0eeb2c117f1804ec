//! Dual control: `+ Σ λ_k e_k + μ/2 e_k²` in the loss, with `e_k` what a component misses of its bound on control probes,
//! and `λ_k ← max(0, λ_k + ρ e_k)` at every look (an augmented Lagrangian). Upper bounds work the same way, mirrored.

use titer::{
    plan::{DualPlan, Target},
    table::GuardRecord,
};
use titer_model::params::Params;

use super::{Control, Guard, StepPosition};
use crate::model::{EngineBackend, Model};

/// The guard.
pub(super) struct Dual {
    plan: DualPlan,
    control: Control,
    /// What each probe pulls with: up where it is positive.
    pulls: Vec<f64>,
    /// Multiplier of the lower and of the upper bound of each.
    multipliers: Vec<(f64, f64)>,
    gradients: Vec<Params<EngineBackend>>,
    records: Vec<GuardRecord>,
}

impl Dual {
    /// The guard on these control probes.
    pub(super) fn new(plan: &DualPlan, control: Control) -> Self {
        let multipliers = vec![(0.0, 0.0); control.targets().len()];
        Self { plan: plan.clone(), control, pulls: Vec::new(), multipliers, gradients: Vec::new(), records: Vec::new() }
    }

    /// What is missing of the two bounds, nats; not below 0.
    fn missing(target: Target, change: f64, share: f64) -> (f64, f64) {
        ((target.low * share - change).max(0.0), (change - target.high * share).max(0.0))
    }
}

impl Guard for Dual {
    fn word(&self) -> &'static str {
        "dual"
    }

    fn pull(
        &mut self,
        model: &Model,
        _gradient: &Params<EngineBackend>,
        at: StepPosition,
    ) -> Option<Params<EngineBackend>> {
        if self.control.is_due(at.step) {
            let looks = self.control.look(model, at.step);
            let share = at.step as f64 / at.steps as f64;
            let changes: Vec<f64> = looks.iter().map(|look| look.change).collect();
            let records = self.control.records("dual", at, &changes).into_iter();
            self.pulls.clear();
            let all = self.control.targets().into_iter().zip(changes).zip(&mut self.multipliers).zip(records);
            for (((target, change), (low, high)), record) in all {
                let (below, above) = Self::missing(target, change, share);
                // A multiplier falls again where its bound is kept with something to spare.
                let spare = |bound: f64, signed: f64| if bound.is_finite() { signed } else { 0.0 };
                *low = (*low + self.plan.rho * spare(target.low, target.low * share - change)).max(0.0);
                *high = (*high + self.plan.rho * spare(target.high, change - target.high * share)).max(0.0);
                let pull = |multiplier: f64, miss: f64| if miss > 0.0 { multiplier + self.plan.mu * miss } else { 0.0 };
                self.pulls.push(pull(*low, below) - pull(*high, above));
                let bound = i64::from(below + above > 0.0);
                self.records.push(GuardRecord { multiplier: *low - *high, bound, ..record });
            }
            self.gradients = looks.into_iter().map(|look| look.gradient).collect();
        }
        if self.pulls.iter().all(|pull| *pull == 0.0) {
            return None;
        }
        let backend = model.decoder.backend();
        let mut added = Params::zeros(backend, &model.decoder.layout);
        self.pulls.iter().zip(&self.gradients).for_each(|(pull, gradient)| added.add_scaled(backend, -pull, gradient));
        Some(added)
    }

    fn records(&mut self) -> Vec<GuardRecord> {
        std::mem::take(&mut self.records)
    }
}
