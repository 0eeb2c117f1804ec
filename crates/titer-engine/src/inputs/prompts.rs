//! Whether a model can read the prompts that a spec puts on rows.

use std::collections::BTreeSet;

use titer::{
    plan::{StagePlan, SweepPlan},
    spec::{Spec, SpecError},
};
use titer_data::{
    cell::Action,
    chat::Row,
    prompt::{CandidatePrompt, Pool, Turn},
};

use super::Inputs;

impl Inputs {
    /// Encodes a row under every prompt that stages and the leak grid name, to be trained or to be drawn under, as a run would: what an organism has no words for is
    /// said before anything is trained.
    ///
    /// # Errors
    /// The first prompt that the model cannot read, blamed on where the spec names it.
    pub(super) fn prompts_fit(&self, spec: &Spec, plan: &SweepPlan) -> Result<(), SpecError> {
        let blame = |keys: &[&str], error: &dyn ToString| spec.error(keys, error.to_string(), "");
        let mut with_cells = plan
            .arms
            .iter()
            .flat_map(|arm| &arm.stages)
            .flat_map(StagePlan::with_helpers)
            .filter_map(|stage| Some((stage, stage.needed_cells().next()?)));
        let Some((first, cell)) = with_cells.next() else { return Ok(()) };
        let model = self.first_model(plan).map_err(|error| blame(&["model"], &error))?;
        let source = self.first_source(plan).map_err(|error| blame(&["data"], &error))?;
        let mut seen = BTreeSet::new();
        let mut read = |keys: &[&str], prompt: &CandidatePrompt, row: &Row| {
            if !seen.insert(prompt.clone()) {
                return Ok(());
            }
            let action = row.cell.map_or(Action::Bad, |cell| cell.action);
            let row = Row { id: format!("prompt {}", prompt.text), ..prompt.put(row, action, Turn::System) };
            model.encoded_row(&row).map(drop).map_err(|error| blame(keys, &error))
        };
        for stage in plan.arms.iter().flat_map(|arm| &arm.stages).flat_map(StagePlan::with_helpers) {
            for cell in stage.needed_cells() {
                if let Some(Pool::These(prompts)) = stage.pool(cell) {
                    let row = source.row(cell, stage.domains, plan.seeds[0], 0);
                    prompts.iter().try_for_each(|prompt| read(&["stage"], prompt, &row))?;
                }
                if let Some(Pool::These(prompts)) = stage.drawn.as_ref().map(|drawn| &drawn.under) {
                    let row = source.row(cell, stage.domains, plan.seeds[0], 0);
                    prompts.iter().try_for_each(|prompt| read(&["stage"], prompt, &row))?;
                }
            }
        }
        match &plan.leak {
            None => Ok(()),
            Some(leak) => {
                let prompt = CandidatePrompt { trigger: leak.trigger.clone(), ..CandidatePrompt::new(&*leak.prompt) };
                let row = source.row(cell, first.domains, plan.seeds[0], 0);
                read(&["leak", "prompt"], &prompt, &row)
            }
        }
    }
}
