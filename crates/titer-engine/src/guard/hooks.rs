//! What a guard can do in a training step.

use titer::table::GuardRecord;
use titer_model::{decoder::Decoder, packed::Packed, params::Params};

use super::Contradiction;
use crate::model::{EngineBackend, EngineOptimiser, Model};

/// Where in a stage a step is.
#[derive(Clone, Copy, Debug)]
pub struct StepPosition {
    /// Which step of the stage, from 0.
    pub step: usize,
    /// Steps of the stage.
    pub steps: usize,
    /// Steps of the run before the stage.
    pub before: usize,
    /// Learning rate of the step.
    pub lr: f64,
    /// What a row's nats count for in the loss: 1 / (rows in the batch · divisor).
    pub weight: f64,
}

/// What a guard can do in a training step, in the order of the calls; it does nothing where it does not say otherwise.
pub trait Guard {
    /// Its word in specs.
    fn word(&self) -> &'static str;

    /// Before the step: weights for the rows of the batch, `rows` in all shards together, in place of 1. They are trained through
    /// `layers`, on the model's weights.
    ///
    /// # Errors
    /// Where what is wanted contradicts itself.
    fn weigh(
        &mut self,
        _model: &Model,
        _layers: &Decoder<EngineBackend>,
        _optimiser: &EngineOptimiser,
        _shards: &[Packed],
        _at: StepPosition,
    ) -> Result<Option<Vec<f64>>, Contradiction> {
        Ok(None)
    }

    /// What is added to the gradient of the batch before clipping and the optimiser.
    fn pull(
        &mut self,
        _model: &Model,
        _gradient: &Params<EngineBackend>,
        _at: StepPosition,
    ) -> Option<Params<EngineBackend>> {
        None
    }

    /// Whether [`Guard::redirect`] does anything, so that the optimiser's own step has to be known.
    fn redirects(&self) -> bool {
        false
    }

    /// Before the step, where it redirects: a look at the model as it is.
    fn look(&mut self, _model: &Model, _at: StepPosition) {}

    /// After the optimiser has moved the parameters by `proposed`: what they are to be moved besides.
    ///
    /// # Errors
    /// Where what is wanted contradicts itself.
    fn redirect(
        &mut self,
        _model: &Model,
        _optimiser: &EngineOptimiser,
        _proposed: &Params<EngineBackend>,
        _at: StepPosition,
    ) -> Result<Option<Params<EngineBackend>>, Contradiction> {
        Ok(None)
    }

    /// What it did since this was last asked.
    fn records(&mut self) -> Vec<GuardRecord> {
        Vec::new()
    }
}
