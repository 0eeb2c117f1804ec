//! Runs whose model is behind an endpoint: what log-probabilities say of it, and nothing that takes gradients.

use titer::{
    plan::RunPlan,
    table::{CellRecord, LeakRecord, ProbeRecord, ScreenRecord},
};

use super::{
    TrainError,
    runner::{leak_grid, screened_by},
};
use crate::{
    endpoint::Reader,
    inputs::Inputs,
    probe::{Moment, Probes},
    scoring::{Scoring, ScoringError},
};

/// What an endpoint says of a run's model at one moment.
#[derive(Clone, Debug, Default)]
pub struct ServedMoment {
    pub(super) probes: Vec<ProbeRecord>,
    pub(super) cells: Vec<CellRecord>,
    pub(super) leaks: Vec<LeakRecord>,
    pub(super) screened: Vec<ScreenRecord>,
}

impl ServedMoment {
    /// Every number in it, in order: what tells one model's answers from another's.
    pub fn numbers(&self) -> impl Iterator<Item = f64> {
        let probes = self.probes.iter().flat_map(|record| [record.margin, record.rate]);
        let leaks = self.leaks.iter().map(|record| record.margin);
        let screened = self.screened.iter().map(|record| record.log_prob);
        probes.chain(self.cells.iter().map(|record| record.surprise)).chain(leaks).chain(screened)
    }
}

impl Inputs {
    /// The tokenizer and the template of a run.
    ///
    /// # Errors
    /// Where the model that it begins with is not what was planned for, or cannot be read.
    pub fn reader(&self, plan: &RunPlan) -> Result<Reader, TrainError> {
        let (model, _) = self.unprepared(plan)?;
        Ok(Reader { tokenizer: model.tokenizer, template: model.template, world: model.world })
    }

    /// What is said of the model that a run begins with by who scores it.
    ///
    /// # Errors
    /// Where the run's rows cannot be used, or who scores cannot be asked.
    pub fn served_before(&self, plan: &RunPlan, scoring: &dyn Scoring) -> Result<ServedMoment, TrainError> {
        let moment = self.served(plan, scoring, Moment { stage: "base", step: 0 })?;
        let Some(prompt) = plan.screened_prompt() else { return Ok(moment) };
        let (_, source) = self.unprepared(plan)?;
        Ok(ServedMoment { screened: screened_by(scoring, None, &source, &prompt, plan)?, ..moment })
    }

    /// What is said of the model that a run ends with.
    ///
    /// # Errors
    /// As [`Inputs::served_before`].
    pub fn served_after(&self, plan: &RunPlan, scoring: &dyn Scoring) -> Result<ServedMoment, TrainError> {
        let last = plan.stages.iter().rev().find(|stage| stage.steps > 0);
        let stage = last.map_or("base", |stage| &stage.name);
        self.served(plan, scoring, Moment { stage, step: plan.steps() })
    }

    fn served(&self, plan: &RunPlan, scoring: &dyn Scoring, at: Moment<'_>) -> Result<ServedMoment, TrainError> {
        let (model, source) = self.unprepared(plan)?;
        let measuring = Probes::of_source(&model, &source, plan.seed, plan.probes.items)?;
        let log_probs = scoring.log_probs(&measuring.pairs()).map_err(ScoringError::from)?;
        let (probes, cells) = measuring.of_pairs(&log_probs, at);
        let grid = plan.leak.as_ref().map(|leak| leak_grid(&model, &source, leak, plan)).transpose()?;
        let leaks = grid.map_or_else(|| Ok(Vec::new()), |grid| grid.ask(scoring, at))?;
        Ok(ServedMoment { probes, cells, leaks, screened: Vec::new() })
    }
}
