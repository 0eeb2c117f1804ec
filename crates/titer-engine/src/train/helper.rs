//! The helper of a stage: an adapter on the model as it is, trained on rows of the unwanted behaviour or given, then attached to the stage's
//! passes.

use std::time::Duration;

use titer::{
    exec::Progress,
    plan::{HelperPlan, HelperSource, StagePlan},
    spec::Lora,
};
use titer_data::{chat::Row, source::Source};
use titer_model::decoder::Detached;

use super::{StageTraining, TrainError};
use crate::{
    inputs::{Inputs, InputsError},
    model::{EngineBackend, Model},
};

/// A helper and how it was made.
pub(super) struct Helper {
    pub(super) adapters: Detached<EngineBackend>,
    /// The loss of every step of its training; empty where it was given.
    pub(super) losses: Vec<f64>,
    /// See [`StageTraining::drawn`].
    pub(super) drawn: (Vec<Row>, usize),
    /// Time in those steps.
    pub(super) stepping: Duration,
}

impl Helper {
    /// Makes the helper of a run of this seed for the model, which stays as it is.
    ///
    /// # Errors
    /// Where the model cannot have it, its rows cannot be trained on, or whoever watches wants no more.
    pub(super) fn make(
        inputs: &Inputs,
        model: &Model,
        source: &Source,
        plan: &HelperPlan,
        seed: u64,
        progress: &dyn Progress,
    ) -> Result<Self, TrainError> {
        let seed = HelperPlan::seed(seed);
        let helper = match &plan.source {
            HelperSource::Trained { lora, train } => Self::train(inputs, model, source, (lora, train), seed, progress)?,
            HelperSource::Given { .. } => {
                let adapter = inputs.given_adapter(plan)?.expect("it is given");
                Self::detached(frozen(model).with_adapter_of(&adapter).map_err(InputsError::from)?)
            }
        };
        match plan.random {
            true => Ok(Self { adapters: helper.adapters.random_like(model.decoder.backend(), seed), ..helper }),
            false => Ok(helper),
        }
    }

    fn train(
        inputs: &Inputs,
        model: &Model,
        source: &Source,
        (lora, plan): (&Lora, &StagePlan),
        seed: u64,
        progress: &dyn Progress,
    ) -> Result<Self, TrainError> {
        let mut learner = frozen(model).with_lora(lora, seed).map_err(InputsError::from)?;
        let mut training = StageTraining::prepare(inputs, &learner, source, plan, seed)?;
        let mut losses = Vec::with_capacity(plan.steps);
        for step in 0..plan.steps {
            if progress.stopped() {
                return Err(TrainError::Stopped { step: 0 });
            }
            let loss = training.step(&mut learner, plan, step, 0, None)?.loss;
            progress.step(loss, training.tokens);
            losses.push(loss);
        }
        Ok(Self { losses, drawn: training.drawn, stepping: training.stepping, ..Self::detached(learner) })
    }

    /// The adapters of a model.
    fn detached(model: Model) -> Self {
        let (_, _, adapters) = model.decoder.without_lora(model.params);
        Self { adapters, losses: Vec::new(), drawn: (Vec::new(), 0), stepping: Duration::ZERO }
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
