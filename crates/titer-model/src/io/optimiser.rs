//! An optimiser's state as a safetensors file: its moments by parameter, its rule and step count as metadata.

use std::path::Path;

use safetensors::SafeTensors;

use super::{error::LoadError, tensors};
use crate::{
    backend::Backend,
    optim::{Optimiser, UpdateRule},
    params::{Layout, ParamSpec, Params},
};

/// The state, as bytes. Equal states give equal bytes.
pub fn save_optimiser<B: Backend>(backend: &B, layout: &Layout, optimiser: &Optimiser<B>) -> Vec<u8> {
    let moments = [("first", optimiser.first.as_ref()), ("second", optimiser.second.as_ref())];
    let buffers = moments.into_iter().filter_map(|(part, params)| Some((part, params?))).flat_map(|(part, params)| {
        let trained = layout.specs.iter().zip(&params.buffers).filter(|(spec, _)| spec.trained);
        trained.map(move |(spec, buffer)| (format!("{part}/{}", spec.name), spec.shape.as_slice(), buffer))
    });
    let state = serde_json::json!({ "rule": optimiser.rule, "steps": optimiser.steps });
    tensors::write(backend, buffers, [("optimiser".to_owned(), state.to_string())].into())
}

/// Reads what [`save_optimiser`] wrote.
///
/// Fails where it was written for other parameters than the layout's, or by something else.
pub fn load_optimiser<B: Backend>(
    backend: &B,
    layout: &Layout,
    bytes: &[u8],
    path: &Path,
) -> Result<Optimiser<B>, LoadError> {
    let fail = |problem: String| LoadError::Weights { path: path.to_owned(), problem };
    let (_, header) =
        SafeTensors::read_metadata(bytes).map_err(|error| fail(format!("not a safetensors file: {error}")))?;
    let state = header.metadata().as_ref().and_then(|all| all.get("optimiser"));
    let state = state.ok_or_else(|| fail("it does not hold the state of an optimiser".to_owned()))?;
    let state: serde_json::Value = serde_json::from_str(state).map_err(|error| fail(error.to_string()))?;
    let rule: UpdateRule = serde_json::from_value(state["rule"].clone()).map_err(|error| fail(error.to_string()))?;
    let steps = state["steps"].as_i64().and_then(|steps| i32::try_from(steps).ok());
    let mut optimiser = Optimiser::new(backend, layout, rule);
    optimiser.steps = steps.ok_or_else(|| fail("it does not say how many steps were done".to_owned()))?;
    let parts = [("first", &mut optimiser.first), ("second", &mut optimiser.second)];
    let mut present: Vec<(&str, &mut Params<B>)> =
        parts.into_iter().filter_map(|(part, params)| Some((part, params.as_mut()?))).collect();
    let trained = || layout.specs.iter().enumerate().filter(|(_, spec)| spec.trained);
    let name = |part: &str, spec: &ParamSpec| format!("{part}/{}", spec.name);
    let wanted: Vec<_> = present
        .iter()
        .flat_map(|(part, _)| trained().map(move |(_, spec)| (name(part, spec), spec.shape.as_slice())))
        .collect();
    let mut buffers = tensors::read(backend, wanted, bytes).map_err(fail)?.into_iter();
    for (_, params) in &mut present {
        for ((at, _), buffer) in trained().zip(buffers.by_ref()) {
            params.buffers[at] = buffer;
        }
    }
    Ok(optimiser)
}
