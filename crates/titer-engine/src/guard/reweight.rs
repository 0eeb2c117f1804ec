//! Reweighting by pressure: weights of the batch's rows, as near 1 as may be, with which they push every component along its
//! course: `min ‖w−1‖² s.t. l ≤ Σ w_i c_i ≤ h, 0 ≤ w ≤ w_max`. Where the rows cannot, they miss by as little as may be.

use titer::{plan::ReweightPlan, table::GuardRecord};
use titer_model::{
    decoder::Decoder,
    packed::Packed,
    params::Params,
    passes::{Workspace, contract},
};

use super::{Contradiction, Control, Guard, StepPosition, TargetPath, bounds::row_weights};
use crate::model::{EngineBackend, EngineOptimiser, Model};

/// The guard.
pub(super) struct Reweight {
    plan: ReweightPlan,
    control: Control,
    courses: Vec<TargetPath>,
    /// What the last look found: `∇f_k`, and the changes in nats until they are written down.
    gradients: Vec<Params<EngineBackend>>,
    changes: Vec<f64>,
    /// `P ∇f_k`, with the optimiser as it was at the first step after the look.
    along: Vec<Params<EngineBackend>>,
    workspace: Workspace<EngineBackend>,
    records: Vec<GuardRecord>,
}

impl Reweight {
    /// The guard on these control probes.
    pub(super) fn new(plan: &ReweightPlan, control: Control) -> Self {
        let courses = control.targets().into_iter().map(|target| TargetPath::new(target, plan.feedback)).collect();
        let (gradients, changes, along, records) = Default::default();
        let workspace = Workspace::default();
        Self { plan: plan.clone(), control, courses, gradients, changes, along, workspace, records }
    }
}

impl Guard for Reweight {
    fn word(&self) -> &'static str {
        "reweight"
    }

    fn weigh(
        &mut self,
        model: &Model,
        layers: &Decoder<EngineBackend>,
        optimiser: &EngineOptimiser,
        shards: &[Packed],
        at: StepPosition,
    ) -> Result<Option<Vec<f64>>, Contradiction> {
        if self.control.is_due(at.step) {
            let looks = self.control.look(model, at.step);
            looks.iter().zip(&mut self.courses).for_each(|(look, course)| course.observe(look.change));
            self.changes = looks.iter().map(|look| look.change).collect();
            self.gradients = looks.into_iter().map(|look| look.gradient).collect();
            self.along.clear();
        }
        // A fresh Adam has no metric yet, and its first step is the same whatever the rows weigh in all.
        if optimiser.steps() == 0 {
            return Ok(None);
        }
        if self.along.is_empty() {
            let (backend, layout) = (model.decoder.backend(), &model.decoder.layout);
            let under = |gradient| optimiser.preconditioned_above(backend, layout, gradient, self.plan.floor);
            self.along = self.gradients.iter().map(under).collect();
        }
        let weights: Vec<_> = shards.iter().map(|packed| vec![1.0; packed.targets.len()]).collect();
        let (sums, _) = contract(&self.workspace, layers, &model.params, shards, &weights, &self.along);
        let rows: usize = shards.iter().map(|packed| packed.replies as usize).sum();
        let push = |k: usize| (0..rows).map(|row| -at.lr * at.weight * sums.dots(row)[k]).collect();
        let pushes: Vec<Vec<f64>> = (0..self.along.len()).map(push).collect();
        let bounds: Vec<_> = self.courses.iter().map(|course| course.bounds(at.step, at.steps)).collect();
        let weights = row_weights(&pushes, &bounds, self.plan.max);
        let moved = (weights.iter().map(|weight| (weight - 1.0).powi(2)).sum::<f64>() / rows as f64).sqrt();
        for (course, pushes) in self.courses.iter_mut().zip(&pushes) {
            course.moved(pushes.iter().zip(&weights).map(|(push, weight)| push * weight).sum());
        }
        let records = self.control.records("reweight", at, &std::mem::take(&mut self.changes));
        for (record, (pushes, (low, high))) in records.into_iter().zip(pushes.iter().zip(bounds)) {
            let plain: f64 = pushes.iter().sum();
            let bound = i64::from(plain < low || plain > high);
            self.records.push(GuardRecord { bound, moved, push: plain, ..record });
        }
        Ok(Some(weights))
    }

    fn records(&mut self) -> Vec<GuardRecord> {
        std::mem::take(&mut self.records)
    }
}
