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
mod verify;

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
pub use verify::verify;

use std::path::Path;

use titer::spec::{Spec, SpecError};
use titer_engine::{
    hub::{self, HubError},
    inputs::{self, Resolved},
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

/// A spec's plan, runs and claims; data or a model that cannot be used are blamed on the line that asks for them.
fn resolve(spec: &Spec) -> Result<Resolved, SpecError> {
    let bar = DownloadBar::new();
    let resolved = inputs::resolve(spec, &bar);
    bar.clear();
    resolved
}
