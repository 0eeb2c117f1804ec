//! Whether the vectors of a spec's stages can be had.

use titer::{
    plan::SweepPlan,
    spec::{Spec, SpecError},
};

use super::Inputs;
use crate::vector::check;

impl Inputs {
    /// Looks for the blocks behind which stages put vectors, and for the contrasts that vectors are measured on.
    ///
    /// # Errors
    /// The first vector that cannot be had, blamed on where the spec asks for it.
    pub(super) fn vectors_fit(&self, spec: &Spec, plan: &SweepPlan) -> Result<(), SpecError> {
        let all = plan.arms.iter().flat_map(|arm| arm.stages.iter().enumerate());
        let mut with_vector = all.filter_map(|(at, stage)| Some((at, stage, stage.vector.as_ref()?))).peekable();
        if with_vector.peek().is_none() {
            return Ok(());
        }
        let blame = |keys: &[&str], error: &dyn ToString| spec.error(keys, error.to_string(), "");
        let model = self.first_model(plan).map_err(|error| blame(&["model"], &error))?;
        let source = self.first_source(plan).map_err(|error| blame(&["data"], &error))?;
        with_vector.try_for_each(|(at, stage, vector)| {
            let written = spec.stages.get(at).is_some_and(|stage| stage.contains_key("vector"));
            let at = at.to_string();
            let keys: &[&str] = if written { &["stage", &at, "vector"] } else { &["sweep"] };
            check(&model, &source, stage.domains, vector, plan.seeds[0]).map_err(|error| blame(keys, &error))
        })
    }
}
