//! Steer: the smallest change of the optimiser's step, in the optimiser's own metric, that keeps every component on its
//! course: `min ½‖u−u₀‖²_{P⁻¹} s.t. l ≤ C u ≤ h`, hence `u = u₀ + P Cᵀ λ`. The moments see the unmodified gradient, so
//! they have nothing to undo.

use faer::{Mat, linalg::solvers::DenseSolveCore as _};
use titer::{plan::SteerPlan, table::GuardRecord};
use titer_model::params::Params;

use super::{Contradiction, Control, Courses, Guard, StepPosition};
use crate::{
    model::{EngineBackend, EngineOptimiser, Model},
    pressure::random_like,
};

/// The guard.
pub(super) struct Steer {
    plan: SteerPlan,
    control: Control,
    courses: Courses,
    /// Of the last look; `along` and `gram` follow once the optimiser has stepped.
    directions: Option<Directions>,
    /// For random directions.
    seed: u64,
    records: Vec<GuardRecord>,
}

struct Directions {
    /// `∇f_k`
    gradients: Vec<Params<EngineBackend>>,
    /// What the look found: change since the stage began, nats.
    changes: Vec<f64>,
    metric: Option<Metric>,
}

struct Metric {
    /// `P ∇f_k`
    along: Vec<Params<EngineBackend>>,
    /// `C P Cᵀ`
    gram: Vec<Vec<f64>>,
    /// See [`own_shares`].
    shares: Vec<f64>,
}

impl Steer {
    /// The guard on these control probes; `seed` is for random directions.
    pub(super) fn new(plan: &SteerPlan, control: Control, seed: u64) -> Self {
        let courses = Courses::new(control.targets(), plan.feedback);
        Self { plan: plan.clone(), control, courses, directions: None, seed, records: Vec::new() }
    }
}

impl Guard for Steer {
    fn word(&self) -> &'static str {
        "steer"
    }

    fn redirects(&self) -> bool {
        true
    }

    fn look(&mut self, model: &Model, at: StepPosition) {
        if !self.control.is_due(at.step) {
            return;
        }
        let (mut gradients, mut changes) = (Vec::new(), Vec::new());
        for look in self.control.look(model, at.step) {
            changes.push(look.change);
            gradients.push(look.gradient);
        }
        self.courses.observe(&changes);
        if self.plan.random {
            gradients = random_like(model, &gradients, self.seed.wrapping_add(at.step as u64));
        }
        self.directions = Some(Directions { gradients, changes, metric: None });
    }

    fn redirect(
        &mut self,
        model: &Model,
        optimiser: &EngineOptimiser,
        proposed: &Params<EngineBackend>,
        at: StepPosition,
    ) -> Result<Option<Params<EngineBackend>>, Contradiction> {
        let Some(directions) = &mut self.directions else { return Ok(None) };
        let (backend, layout) = (model.decoder.backend(), &model.decoder.layout);
        let fresh = directions.metric.is_none();
        let Directions { gradients, metric, changes } = directions;
        let Metric { along, gram, shares } = metric.get_or_insert_with(|| {
            let under = |gradient| optimiser.preconditioned_above(backend, layout, gradient, self.plan.floor);
            let along: Vec<_> = gradients.iter().map(under).collect();
            let gram: Vec<Vec<f64>> =
                gradients.iter().map(|a| along.iter().map(|b| a.dot(backend, b)).collect()).collect();
            let shares = own_shares(&gram);
            Metric { along, gram, shares }
        });
        let effects: Vec<f64> = gradients.iter().map(|gradient| gradient.dot(backend, proposed)).collect();
        let mut multipliers = self.courses.multipliers(gram, &effects, at.step, at.steps)?;
        let mut correction = Params::zeros(backend, layout);
        along.iter().zip(&multipliers).for_each(|(along, by)| correction.add_scaled(backend, *by, along));
        let (proposed_length, length) = (proposed.norm(backend), correction.norm(backend));
        let longest = self.plan.cap * proposed_length;
        if length > longest {
            correction.scale(backend, longest / length);
            multipliers.iter_mut().for_each(|by| *by *= longest / length);
        }
        self.courses.moved(gram, &effects, &multipliers);
        if fresh {
            let moved = length.min(longest) / proposed_length.max(f64::MIN_POSITIVE);
            let records = self.control.records("steer", at, changes).into_iter().enumerate();
            self.records.extend(records.map(|(k, record)| GuardRecord {
                multiplier: multipliers[k],
                bound: i64::from(multipliers[k] != 0.0),
                moved,
                push: effects[k],
                own: shares[k],
                ..record
            }));
        }
        Ok(multipliers.iter().any(|by| *by != 0.0).then_some(correction))
    }

    fn records(&mut self) -> Vec<GuardRecord> {
        std::mem::take(&mut self.records)
    }
}

/// How much of each direction no other shares, 0 to 1: `1 / (G_kk (G⁻¹)_kk)`, what is left of its squared length after taking off
/// its projection on the others.
fn own_shares(gram: &[Vec<f64>]) -> Vec<f64> {
    let count = gram.len();
    // Cosines in place of products: components differ in size by orders of magnitude.
    let cosine = |k: usize, l: usize| gram[k][l] / (gram[k][k] * gram[l][l]).sqrt().max(f64::MIN_POSITIVE);
    let inverse = Mat::from_fn(count, count, cosine).full_piv_lu().inverse();
    (0..count).map(|k| inverse[(k, k)].recip().clamp(0.0, 1.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::own_shares;

    #[test]
    fn what_directions_share_is_taken_off() {
        // Lengths 1 and 3 at 60 degrees: the sine's square is 3/4. A third one is perpendicular to both.
        let shares = own_shares(&[vec![1.0, 1.5, 0.0], vec![1.5, 9.0, 0.0], vec![0.0, 0.0, 4.0]]);
        for (share, wanted) in shares.iter().zip([0.75, 0.75, 1.0]) {
            assert!((share - wanted).abs() < 1e-12, "{shares:?}");
        }
        assert_eq!(own_shares(&[vec![2.0]]), [1.0]);
    }
}
