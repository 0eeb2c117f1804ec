//! What training moves, as a safetensors file in f32: all of a model that is not in the files that it came from.

use std::path::Path;

use super::{error::LoadError, tensors};
use crate::{
    backend::Backend,
    params::{Layout, ParamSpec, Params},
};

/// The parameters that training moves, as bytes. Equal ones give equal bytes.
pub fn save_moving<B: Backend>(backend: &B, layout: &Layout, params: &Params<B>) -> Vec<u8> {
    let moving = layout.specs.iter().zip(&params.buffers).filter(|(spec, _)| spec.trained);
    let named = moving.map(|(spec, buffer)| (spec.name.clone(), spec.shape.as_slice(), buffer));
    tensors::write(backend, named, tensors::of_torch())
}

/// Puts what [`save_moving`] wrote in the place of what `params` have.
///
/// Fails where it was written for other parameters than the layout's; nothing is changed then.
pub fn load_moving<B: Backend>(
    backend: &B,
    layout: &Layout,
    params: &mut Params<B>,
    bytes: &[u8],
    path: &Path,
) -> Result<(), LoadError> {
    let moving = || layout.specs.iter().enumerate().filter(|(_, spec): &(usize, &ParamSpec)| spec.trained);
    let wanted = moving().map(|(_, spec)| (spec.name.clone(), spec.shape.as_slice()));
    let buffers = tensors::read(backend, wanted, bytes)
        .map_err(|problem| LoadError::Weights { path: path.to_owned(), problem })?;
    for ((at, _), buffer) in moving().zip(buffers) {
        params.buffers[at] = buffer;
    }
    Ok(())
}
