//! One file per command.

mod check;
mod init;
pub mod organism;
mod pressure;
mod report;
mod run;

pub use check::check;
pub use init::init;
pub use pressure::pressure;
pub use report::report;
pub use run::run;

use titer::{
    plan::{RunPlan, SweepPlan},
    spec::{Spec, SpecError},
    train::plan_model,
};

/// A spec's plan and its runs, `(arm, plan)`; a model that cannot be used is blamed on the line that asks for it.
fn resolve(spec: &Spec) -> Result<(SweepPlan, Vec<(usize, RunPlan)>), SpecError> {
    let plan = SweepPlan::resolve(spec)?;
    let blamed: &[&str] = if spec.base.is_some() { &["model", "base"] } else { &["seeds"] };
    let runs = plan.runs(plan_model).map_err(|error| spec.error(blamed, error.to_string(), ""))?;
    Ok((plan, runs))
}
