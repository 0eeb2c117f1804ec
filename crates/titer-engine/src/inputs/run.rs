//! What one run starts from.

use std::{path::Path, sync::Arc};

use titer::plan::{ModelPlan, RunPlan};
use titer_data::{probe::Probe, source::Source, world::ProbeUse};

use super::{Inputs, InputsError, dtype, planned::world};
use crate::model::{Files, Model};

impl Inputs {
    /// The files and the model of a run, ready to train, and its rows, where they still are what was planned for.
    ///
    /// # Errors
    /// Where they are not, or cannot be used.
    pub(crate) fn prepare(&self, plan: &RunPlan) -> Result<(Arc<Files>, Model, Arc<Source>), InputsError> {
        let files = self.files(&plan.model.base, plan.seed)?;
        let model = self.base_model(&plan.model, plan.seed)?;
        let model = match &plan.model.lora {
            Some(lora) => model.with_lora(lora, plan.seed)?,
            None => model.thawed(),
        };
        let model = model.computing_to_train(plan.model.compute, plan.model.device)?;
        let source = self.source(plan, &model)?;
        Ok((files, model, source))
    }

    /// The model that a run begins with and its rows, to read them: nothing is put on the model, and its weights stay in their files.
    ///
    /// # Errors
    /// As [`Inputs::prepare`].
    pub(crate) fn unprepared(&self, plan: &RunPlan) -> Result<(Model, Arc<Source>), InputsError> {
        let model = self.base_model(&plan.model, plan.seed)?;
        let source = self.source(plan, &model)?;
        Ok((model, source))
    }

    /// The probes that measure a run.
    ///
    /// # Errors
    /// Where model or rows are not what was planned for, or cannot be used.
    pub fn probes(&self, plan: &RunPlan) -> Result<Vec<Probe>, InputsError> {
        let (_, source) = self.unprepared(plan)?;
        Ok(source.probes(ProbeUse::Measure, plan.seed, plan.probes.items))
    }

    /// The model of a run as it stands in one of the run's checkpoints, and the rows.
    ///
    /// # Errors
    /// As [`Inputs::prepare`], and where the checkpoint cannot be read.
    pub(crate) fn at_checkpoint(&self, plan: &RunPlan, checkpoint: &Path) -> Result<(Model, Arc<Source>), InputsError> {
        let model = self.trained_model(&plan.model, plan.seed, Some(checkpoint))?;
        let source = self.source(plan, &model)?;
        Ok((model, source))
    }

    /// The model of a run as it stands in one of the run's checkpoints; without one, as the run began.
    ///
    /// # Errors
    /// Where checkpoint or model cannot be read, or the model is not what was planned for.
    pub(crate) fn trained_model(
        &self,
        plan: &ModelPlan,
        seed: u64,
        checkpoint: Option<&Path>,
    ) -> Result<Model, InputsError> {
        let model = match (&plan.lora, checkpoint) {
            (Some(_), Some(checkpoint)) => self.base_model(plan, seed)?.with_adapter(checkpoint)?,
            (None, Some(checkpoint)) => {
                Model::open(&checkpoint.display().to_string(), seed)?.with_template_options(&plan.template)?
            }
            (_, None) => self.base_model(plan, seed)?,
        };
        Ok(model.computing(plan.compute, plan.device)?)
    }

    /// The model that a run begins with, its weights in their files, where it is what was planned for.
    fn base_model(&self, plan: &ModelPlan, seed: u64) -> Result<Model, InputsError> {
        let base = &plan.base;
        if *self.hash(base, seed)? != plan.blake3 {
            return Err(InputsError::ModelChanged { base: base.clone() });
        }
        let model = self.model(base, seed, dtype(plan.dtype.as_deref())?)?;
        Ok(Model::clone(&model).with_template_options(&plan.template)?)
    }

    /// The rows of a run, where they are what was planned for; without files of the user's own, those of the model's world.
    fn source(&self, plan: &RunPlan, model: &Model) -> Result<Arc<Source>, InputsError> {
        let Some(data) = &plan.data else { return Ok(Arc::new(world(model, &plan.model.base)?)) };
        let open = self.data(&data.files)?;
        if open.blake3 != data.blake3 {
            return Err(InputsError::DataChanged { names: data.files.names() });
        }
        Ok(Arc::clone(&open.source))
    }
}
