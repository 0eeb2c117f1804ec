//! What several commands begin with: a spec, its model, the place of what they write.

use std::path::Path;

use titer::spec::{Spec, SpecError};
use titer_engine::{
    hub::{self, HubError},
    inputs::{self, Inputs, Resolved},
    model::is_carried,
};

use crate::{args::AskedComputation, listener::listener, progress::DownloadBar};

/// Sees to it that the model behind `base` is on this machine, downloading it from the hub where it must.
pub(super) fn fetch(base: &str) -> Result<(), HubError> {
    if is_carried(base) {
        return Ok(());
    }
    let bar = DownloadBar::new();
    let fetched = hub::fetch(base, &bar);
    bar.clear();
    fetched
}

/// The experiment of commands that are given none.
const QUICKSTART: &str = include_str!("../../../../experiments/quickstart.toml");

/// The spec of this path, or without one the quick start, with a model and what it is computed in of one's own where they are given.
pub(super) fn open_spec(
    path: Option<&Path>,
    base: Option<&String>,
    asked: AskedComputation,
) -> Result<Spec, SpecError> {
    let spec = path.map_or_else(|| Spec::parse(QUICKSTART, Path::new("quickstart.toml")), read_spec)?;
    let base = base.cloned().or(spec.base);
    Ok(Spec { base, compute: asked.compute.or(spec.compute), device: asked.device.or(spec.device), ..spec })
}

/// The spec of a file, or of the text that a listener has in its place.
pub(super) fn read_spec(path: &Path) -> Result<Spec, SpecError> {
    match listener().and_then(|listener| listener.spec(path)) {
        Some(text) => Spec::parse(&text, path),
        None => Spec::open(path),
    }
}

/// A spec's plan, runs and claims; data or a model that cannot be used are blamed on the line that asks for them.
pub(super) fn resolve(spec: &Spec, inputs: &Inputs) -> Result<Resolved, SpecError> {
    let bar = DownloadBar::new();
    let resolved = inputs::resolve(spec, inputs, &bar);
    bar.clear();
    resolved
}
