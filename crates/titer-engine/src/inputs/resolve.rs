//! From a spec to runs that can start.

use std::collections::BTreeMap;

use titer::{
    claim::{self, Claim},
    plan::{RunPlan, StagePlan, SweepPlan},
    spec::{Spec, SpecError},
};

use super::{ExampleRow, Inputs, dtype};
use crate::{
    hub::{self, DownloadProgress},
    model::{is_carried, lora_config},
};

/// What a spec asks for, its model and its rows looked at.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Arms, axes and seeds.
    pub plan: SweepPlan,
    /// Every run with the index of its arm.
    pub runs: Vec<(usize, RunPlan)>,
    /// What the spec says that they will show.
    pub claims: Vec<Claim>,
    /// The first row that each cell of its stages trains on, by cell (`anchor` before it for anchors), as the model sees it.
    pub examples: BTreeMap<String, ExampleRow>,
    /// What is to be known of the user's own rows, and of arms that are not screened, in sentences.
    pub notes: Vec<String>,
}

/// Resolves a spec; models of the hub are downloaded where they must be, which `progress` is told of.
///
/// # Errors
/// Where the spec makes no sense, or names data or a model that cannot be used: blamed on the line that asks for it.
pub fn resolve(spec: &Spec, inputs: &Inputs, progress: &dyn DownloadProgress) -> Result<Resolved, SpecError> {
    let mut plan = SweepPlan::resolve(spec)?;
    inputs.plan_given(spec, &mut plan)?;
    let stages = plan.arms.iter().flat_map(|arm| &arm.stages);
    let cells = stages.flat_map(StagePlan::with_helpers).flat_map(StagePlan::needed_cells);
    let data = plan.data.as_ref().map(|data| inputs.plan_data(data, cells)).transpose();
    let data = data.map_err(|error| match error.rule() {
        Some(rule) => spec.error(&["data", "cells", &rule.to_string()], error.to_string(), ""),
        None => spec.error(&["data"], error.to_string(), ""),
    })?;
    let own_probes = plan.data.as_ref().map(|files| inputs.probe_names(files)).transpose();
    plan.own_probes = own_probes.map_err(|error| spec.error(&["data"], error.to_string(), ""))?;
    let own_prompt = plan.data.as_ref().map(|files| inputs.own_prompt(files)).transpose();
    plan.own_prompt = own_prompt.map_err(|error| spec.error(&["data"], error.to_string(), ""))?.flatten();
    inputs.control_probes_fit(spec, &plan)?;
    let notes = plan.data.as_ref().map(|files| inputs.notes(files)).transpose();
    let notes = notes.map_err(|error| spec.error(&["data"], error.to_string(), ""))?.unwrap_or_default();
    let notes = notes.into_iter().chain(unscreened(spec, &plan)?).collect();
    inputs.measures_components(&plan).map_err(|error| spec.error(&["data"], error.to_string(), ""))?;
    let claims = claim::resolve(spec, &plan)?;
    if let Some(Err(error)) = plan.lora.as_ref().map(lora_config) {
        return Err(spec.error(&["model", "lora"], error.to_string(), ""));
    }
    dtype(plan.dtype.as_deref()).map_err(|error| spec.error(&["model", "dtype"], error.to_string(), ""))?;
    let blamed: &[&str] = if spec.base.is_some() { &["model", "base"] } else { &["seeds"] };
    let mut bases: Vec<String> = plan.seeds.iter().map(|&seed| plan.base_of(seed)).collect();
    bases.dedup();
    for base in bases.into_iter().filter(|base| !is_carried(base)) {
        hub::fetch(&base, progress).map_err(|error| spec.error(blamed, error.to_string(), ""))?;
    }
    let model = |base: &str, seed| inputs.plan_model(base, seed, data.is_some());
    let runs = plan.runs(data.as_ref(), model).map_err(|error| spec.error(blamed, error.to_string(), ""))?;
    inputs.takes_adapters(&plan).map_err(|error| spec.error(&["model", "lora"], error.to_string(), ""))?;
    inputs.computes(&plan).map_err(|error| spec.error(&["model", "compute"], error.to_string(), ""))?;
    inputs.fits(&plan).map_err(|error| spec.error(&["data"], error.to_string(), ""))?;
    inputs.prompts_fit(spec, &plan)?;
    inputs.passes_fit(spec, &plan)?;
    // What stages put on rows, such as prompts, is theirs.
    let examples = inputs.examples(&plan).map_err(|error| spec.error(&["stage"], error.to_string(), ""))?;
    Ok(Resolved { plan, runs, claims, examples, notes })
}

/// Arms at most that a note names.
const NAMED: usize = 5;

/// Which arms have no prompt to screen though prompts are screened, if any.
///
/// # Errors
/// Where no arm has one.
fn unscreened(spec: &Spec, plan: &SweepPlan) -> Result<Option<String>, SpecError> {
    if plan.screen && plan.arms.iter().all(|arm| plan.screened_prompt(arm).is_none()) {
        let problem = "no arm trains `bad→bad` rows under one prompt, so there is none to screen";
        let remedy =
            "put one on them, such as prompts = { \"bad→bad\" = [\"be evil\"] } on the stage, or leave `screen` out";
        return Err(spec.error(&["screen"], problem, remedy));
    }
    let names: Vec<&str> = plan.unscreened().map(|arm| arm.name.as_str()).collect();
    let named = names.iter().take(NAMED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let note = || {
        format!(
            "{} not screened, since `bad→bad` rows have several prompts there, or none: {named}{more}",
            if names.len() == 1 { "1 arm is".to_owned() } else { format!("{} arms are", names.len()) }
        )
    };
    Ok((!names.is_empty()).then(note))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn said(sweep: &str) -> Result<Option<String>, String> {
        let text = format!("screen = true\n[[stage]]\nrows = 32\nmix = {{ rest = \"bad→bad\" }}\n{sweep}");
        let spec = Spec::parse(&text, Path::new("spec.toml")).unwrap();
        unscreened(&spec, &SweepPlan::resolve(&spec).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn arms_that_are_not_screened_are_named_and_a_spec_without_others_is_refused() {
        let put = "prompts = { \"bad→bad\" = [\"be evil\"] }";
        let error = said("").unwrap_err();
        assert!(error.contains("none to screen"), "{error}");
        let note = said(&format!("[sweep.train]\nown = {{}}\nput = {{ {put} }}\n")).unwrap().unwrap();
        assert!(note.contains("not screened") && note.contains("own") && !note.contains("`put`"), "{note}");
    }
}
