//! Negative controls: projections of the gradient before the optimiser, which Adam's second moment undoes.
//!
//! Both keep what has a lower bound (or, mirrored, an upper one) from moving the wrong way. A-GEM (arXiv 1812.00420) takes
//! out the gradient's part along the sum of the components where that points the wrong way; PCGrad (arXiv 2001.06782)
//! does so component by component.

use titer::table::GuardRecord;
use titer_model::params::Params;

use super::{Control, Guard, StepPosition};
use crate::model::{EngineBackend, Model};

/// Which projection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Along the sum of the components.
    AGem,
    /// Component by component.
    PcGrad,
}

/// The guard.
pub(super) struct Project {
    rule: Rule,
    control: Control,
    /// +1 where a component shall not fall, −1 where it shall not rise.
    signs: Vec<f64>,
    /// Gradients of losses that rise where a component goes the wrong way.
    losses: Vec<Params<EngineBackend>>,
    records: Vec<GuardRecord>,
}

impl Project {
    /// The guard on these control probes.
    pub(super) fn new(rule: Rule, control: Control) -> Self {
        let sign = |low: f64| if low.is_finite() { 1.0 } else { -1.0 };
        let signs = control.targets().iter().map(|target| sign(target.low)).collect();
        Self { rule, control, signs, losses: Vec::new(), records: Vec::new() }
    }
}

impl Guard for Project {
    fn word(&self) -> &'static str {
        match self.rule {
            Rule::AGem => "agem",
            Rule::PcGrad => "pcgrad",
        }
    }

    fn pull(
        &mut self,
        model: &Model,
        gradient: &Params<EngineBackend>,
        at: StepPosition,
    ) -> Option<Params<EngineBackend>> {
        let backend = model.decoder.backend();
        let mut changes = Vec::new();
        if self.control.is_due(at.step) {
            let looks = self.control.look(model, at.step);
            changes = looks.iter().map(|look| look.change).collect();
            let mut losses: Vec<_> = looks.into_iter().map(|look| look.gradient).collect();
            losses.iter_mut().zip(&self.signs).for_each(|(loss, sign)| loss.scale(backend, -sign));
            if let (Rule::AGem, Some((first, rest))) = (self.rule, losses.split_first_mut()) {
                rest.iter().for_each(|other| first.add_scaled(backend, 1.0, other));
                losses.truncate(1);
            }
            self.losses = losses;
        }
        let mut projected = gradient.clone();
        let mut bound = vec![false; self.losses.len()];
        for (loss, bound) in self.losses.iter().zip(&mut bound) {
            let (along, square) = (projected.dot(backend, loss), loss.dot(backend, loss));
            if along < 0.0 && square > 0.0 {
                projected.add_scaled(backend, -along / square, loss);
                *bound = true;
            }
        }
        projected.add_scaled(backend, -1.0, gradient);
        let moved = projected.norm(backend) / gradient.norm(backend).max(f64::MIN_POSITIVE);
        for (k, record) in self.control.records(self.word(), at, &changes).into_iter().enumerate() {
            let bound = bound.get(k).or(bound.first()).copied().unwrap_or(false);
            self.records.push(GuardRecord { bound: i64::from(bound), moved, ..record });
        }
        bound.contains(&true).then_some(projected)
    }

    fn records(&mut self) -> Vec<GuardRecord> {
        std::mem::take(&mut self.records)
    }
}
