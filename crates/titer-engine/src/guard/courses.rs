//! The courses of all components that a guard holds, together: the bounds of a step, and what keeps it within them.
//!
//! Numbers alone, so that a step of another program's optimiser is held by the same code.

use titer::plan::Target;

use super::{Contradiction, TargetPath, within_bounds};

/// The courses of several components, in the order of their targets.
#[derive(Clone, Debug)]
pub struct Courses(Vec<TargetPath>);

impl Courses {
    /// Courses that start now; without feedback, looks change nothing.
    pub fn new(targets: impl IntoIterator<Item = Target>, feedback: bool) -> Self {
        Self(targets.into_iter().map(|target| TargetPath::new(target, feedback)).collect())
    }

    /// A look has found these changes since the stage began, nats.
    pub fn observe(&mut self, changes: &[f64]) {
        self.0.iter_mut().zip(changes).for_each(|(course, change)| course.observe(*change));
    }

    /// Multipliers `λ` of the smallest correction `P Cᵀ λ` that keeps step `step` of `steps` within its bounds: `gram` is `C P Cᵀ`,
    /// `effects` what the step does to the components by itself, nats.
    ///
    /// # Errors
    /// Where the bounds cannot be met together.
    pub fn multipliers(
        &self,
        gram: &[Vec<f64>],
        effects: &[f64],
        step: usize,
        steps: usize,
    ) -> Result<Vec<f64>, Contradiction> {
        let bounds: Vec<_> = self.0.iter().map(|course| course.bounds(step, steps)).collect();
        let targets: Vec<_> = self.0.iter().map(TargetPath::target).collect();
        within_bounds(gram, effects, &bounds, &targets)
    }

    /// The step has been done, corrected by `multipliers`.
    pub fn moved(&mut self, gram: &[Vec<f64>], effects: &[f64], multipliers: &[f64]) {
        for ((course, effect), line) in self.0.iter_mut().zip(effects).zip(gram) {
            course.moved(effect + line.iter().zip(multipliers).map(|(one, by)| one * by).sum::<f64>());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_that_do_what_they_are_told_reach_their_targets() {
        let targets = [(0, 2.0), (2, -1.0)].map(|(component, change)| Target { component, low: change, high: change });
        let (gram, effects, steps) = (vec![vec![4.0, 1.0], vec![1.0, 2.0]], [0.3, 0.1], 40);
        let (mut courses, mut changes) = (Courses::new(targets, true), [0.0, 0.0]);
        for step in 0..steps {
            if step % 4 == 0 {
                courses.observe(&changes);
            }
            let multipliers = courses.multipliers(&gram, &effects, step, steps).unwrap();
            courses.moved(&gram, &effects, &multipliers);
            for k in 0..2 {
                changes[k] += effects[k] + gram[k].iter().zip(&multipliers).map(|(one, by)| one * by).sum::<f64>();
            }
        }
        assert!((changes[0] - 2.0).abs() < 1e-3 && (changes[1] + 1.0).abs() < 1e-3, "{changes:?}");
    }
}
