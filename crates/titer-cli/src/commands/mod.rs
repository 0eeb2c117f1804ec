//! One file per command.

mod audit;
mod check;
mod forecast;
mod init;
pub mod organism;
mod plan;
mod pressure;
mod report;
mod run;

pub use audit::audit;
pub use check::check;
pub use forecast::forecast;
pub use init::init;
pub use plan::plan;
pub use pressure::pressure;
pub use report::report;
pub use run::run;

use titer::{
    plan::{RunPlan, SweepPlan},
    spec::{Spec, SpecError},
    train::{plan_data, plan_model},
};

/// A spec's plan and its runs, `(arm, plan)`; data or a model that cannot be used are blamed on the line that asks for them.
fn resolve(spec: &Spec) -> Result<(SweepPlan, Vec<(usize, RunPlan)>), SpecError> {
    let plan = SweepPlan::resolve(spec)?;
    let cells = plan.arms.iter().flat_map(|arm| &arm.stages).flat_map(|stage| stage.cells()).map(|(cell, _)| *cell);
    let data = plan.data.as_ref().map(|data| plan_data(data, cells)).transpose();
    let data = data.map_err(|error| spec.error(&["data"], error.to_string(), ""))?;
    let blamed: &[&str] = if spec.base.is_some() { &["model", "base"] } else { &["seeds"] };
    let model = |base: &str, seed| plan_model(base, seed, data.is_some());
    let runs = plan.runs(data.as_ref(), model).map_err(|error| spec.error(blamed, error.to_string(), ""))?;
    Ok((plan, runs))
}
