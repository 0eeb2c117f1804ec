//! Whether a model can have what the training passes of a spec's stages go through: vectors and helpers.

use titer::{
    plan::{HelperSource, StagePlan, SweepPlan},
    spec::{Spec, SpecError},
};

use super::{Inputs, given::blamed};
use crate::vector::check;

impl Inputs {
    /// Looks for the blocks behind which stages put vectors, for the contrasts that vectors are measured on, and for the layers that
    /// helpers adapt; vectors and adapters that are given must fit.
    ///
    /// # Errors
    /// The first that cannot be had, blamed on where the spec asks for it.
    pub(super) fn passes_fit(&self, spec: &Spec, plan: &SweepPlan) -> Result<(), SpecError> {
        let all = plan.arms.iter().flat_map(|arm| arm.stages.iter().enumerate());
        let plain = |stage: &StagePlan| stage.vector.is_none() && stage.helper.is_none();
        let mut special = all.filter(|(_, stage)| !plain(stage)).peekable();
        if special.peek().is_none() {
            return Ok(());
        }
        let blame = |keys: &[&str], error: &dyn ToString| spec.error(keys, error.to_string(), "");
        let model = self.first_model(plan).map_err(|error| blame(&["model"], &error))?;
        let source = self.first_source(plan).map_err(|error| blame(&["data"], &error))?;
        special.try_for_each(|(at, stage)| {
            let blame = |field: &str, error: &dyn ToString| blamed(spec, at, field, error);
            match stage.helper.as_ref().map(|helper| (helper, &helper.source)) {
                Some((_, HelperSource::Trained { lora, .. })) => {
                    model.lora_config(lora).map_err(|error| blame("helper", &error))?;
                }
                Some((helper, HelperSource::Given { .. })) => {
                    let adapter = self.given_adapter(helper).map_err(|error| blame("helper", &error))?;
                    let with = adapter.map(|adapter| model.clone().with_adapter_of(&adapter)).transpose();
                    with.map_err(|error| blame("helper", &error))?;
                }
                None => {}
            }
            stage.with_helpers().zip(["vector", "helper"]).try_for_each(|(stage, field)| {
                let Some(vector) = &stage.vector else { return Ok(()) };
                let given = self.given_vector(stage).map_err(|error| blame(field, &error))?;
                check(&model, &source, stage.domains, vector, given.as_ref(), plan.seeds[0])
                    .map_err(|error| blame(field, &error))
            })
        })
    }
}
