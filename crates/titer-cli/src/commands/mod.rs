//! One file per command.

mod audit;
mod check;
mod data;
mod doctor;
mod forecast;
mod init;
mod leak;
pub mod organism;
mod plan;
mod pressure;
mod report;
mod run;
mod sampling;
mod score;
mod screen;
mod subjects;

pub use audit::audit;
pub use check::check;
pub use doctor::doctor;
pub use forecast::forecast;
pub use init::init;
pub use leak::leak;
pub use plan::plan;
pub use pressure::pressure;
pub use report::report;
pub use run::run;
pub use score::score;
pub use screen::screen;

use std::path::Path;

use titer::{
    plan::{RunPlan, SweepPlan},
    spec::{Spec, SpecError},
};
use titer_engine::{
    hub::{self, HubError},
    inputs::{Inputs, dtype},
    model::lora_config,
};

use crate::{printer::Failure, progress::DownloadBar};

/// Sees to it that the model behind `base` is on this machine, downloading it from the hub where it must.
fn fetch(base: &str) -> Result<(), HubError> {
    let bar = DownloadBar::new();
    let fetched = hub::fetch(base, &bar);
    bar.clear();
    fetched
}

/// Whether there is a folder for a file that is to be written; said before anything is measured.
fn has_folder(file: &Path) -> Result<(), Failure> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if folder.is_dir() {
        return Ok(());
    }
    Err(Failure::Input(format!("{}: there is no folder {}; make it first", file.display(), folder.display())))
}

/// The experiment of commands that are given none.
const QUICKSTART: &str = include_str!("../../../../experiments/quickstart.toml");

/// The spec of this path; without one, the quick start.
fn open_spec(path: Option<&Path>, base: Option<&String>) -> Result<Spec, SpecError> {
    let spec = path.map_or_else(|| Spec::parse(QUICKSTART, Path::new("quickstart.toml")), Spec::open)?;
    Ok(Spec { base: base.cloned().or(spec.base), ..spec })
}

/// A spec's plan and its runs, `(arm, plan)`; data or a model that cannot be used are blamed on the line that asks for them.
fn resolve(spec: &Spec, inputs: &Inputs) -> Result<(SweepPlan, Vec<(usize, RunPlan)>), SpecError> {
    let plan = SweepPlan::resolve(spec)?;
    let cells = plan.arms.iter().flat_map(|arm| &arm.stages).flat_map(|stage| stage.needed_cells());
    let data = plan.data.as_ref().map(|data| inputs.plan_data(data, cells)).transpose();
    let data = data.map_err(|error| spec.error(&["data"], error.to_string(), ""))?;
    if let Some(Err(error)) = plan.lora.as_ref().map(lora_config) {
        return Err(spec.error(&["model", "lora"], error.to_string(), ""));
    }
    dtype(plan.dtype.as_deref()).map_err(|error| spec.error(&["model", "dtype"], error.to_string(), ""))?;
    let blamed: &[&str] = if spec.base.is_some() { &["model", "base"] } else { &["seeds"] };
    let mut bases: Vec<String> = plan.seeds.iter().map(|&seed| plan.base_of(seed)).collect();
    bases.dedup();
    for base in bases {
        fetch(&base).map_err(|error| spec.error(blamed, error.to_string(), ""))?;
    }
    let model = |base: &str, seed| inputs.plan_model(base, seed, data.is_some());
    let runs = plan.runs(data.as_ref(), model).map_err(|error| spec.error(blamed, error.to_string(), ""))?;
    inputs.fits(&plan).map_err(|error| spec.error(&["data"], error.to_string(), ""))?;
    Ok((plan, runs))
}
