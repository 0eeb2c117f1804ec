//! The helper of a stage: an adapter on the model as it is, trained on rows of the unwanted behaviour, then attached to the stage's passes.

use std::time::Duration;

use titer::{exec::Progress, plan::HelperPlan};
use titer_data::source::Source;
use titer_model::decoder::Detached;

use super::{StageTraining, TrainError};
use crate::{
    inputs::InputsError,
    model::{EngineBackend, Model},
};

/// A helper and how it was made.
pub(super) struct Helper {
    pub(super) adapters: Detached<EngineBackend>,
    /// The loss of every step of its training.
    pub(super) losses: Vec<f64>,
    /// Time in those steps.
    pub(super) stepping: Duration,
}

impl Helper {
    /// Trains a helper of a run of this seed on the model, which stays as it is.
    ///
    /// # Errors
    /// Where the model cannot have it, its rows cannot be trained on, or whoever watches wants no more.
    pub(super) fn train(
        model: &Model,
        source: &Source,
        plan: &HelperPlan,
        seed: u64,
        progress: &dyn Progress,
    ) -> Result<Self, TrainError> {
        let (backend, seed) = (model.decoder.backend().clone(), HelperPlan::seed(seed));
        let mut learner = frozen(model).with_lora(&plan.lora, seed).map_err(InputsError::from)?;
        let mut training = StageTraining::prepare(&learner, source, &plan.train, seed)?;
        let mut losses = Vec::with_capacity(plan.train.steps);
        for step in 0..plan.train.steps {
            if progress.stopped() {
                return Err(TrainError::Stopped { step: 0 });
            }
            losses.push(training.step(&mut learner, &plan.train, step, 0, None)?.loss);
        }
        let (_, _, trained) = learner.decoder.without_lora(learner.params);
        let adapters = if plan.random { trained.random_like(&backend, seed) } else { trained };
        Ok(Self { adapters, losses, stepping: training.stepping })
    }
}

/// The model with room for an adapter: its own adapters, where it has some, are attached frozen.
fn frozen(model: &Model) -> Model {
    let mut frozen = model.clone();
    if frozen.lora.take().is_some() {
        let (decoder, params, own) = frozen.decoder.without_lora(frozen.params);
        (frozen.decoder, frozen.params) = (decoder.attached(own), params);
    }
    frozen
}
