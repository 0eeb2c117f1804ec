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
    /// What is to be known of the user's own rows, in sentences.
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
    inputs.control_probes_fit(spec, &plan)?;
    let notes = plan.data.as_ref().map(|files| inputs.notes(files)).transpose();
    let notes = notes.map_err(|error| spec.error(&["data"], error.to_string(), ""))?.unwrap_or_default();
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
