//! Seeing to it that a model is on this machine.

use std::path::Path;

use titer::environment::variable;

#[cfg(feature = "hub")]
use super::download::get;
use super::{
    DownloadProgress, HubError,
    cache::{cache, cached, is_whole, owner_and_name},
};

/// Sees to it that the model behind `base` is on this machine, if it is one of the hub: from the local cache where it is whole
/// there, else downloaded into it. Does nothing for a folder, or for what can be no hub id.
///
/// Honours `HF_HUB_CACHE` and `HF_HOME`, `HF_ENDPOINT`, `HF_TOKEN` (else the file `HF_TOKEN_PATH`, else `token` in
/// `HF_HOME`) and `HF_HUB_OFFLINE`.
///
/// # Errors
/// Where it is not here and cannot or must not be downloaded.
pub fn fetch(base: &str, progress: &dyn DownloadProgress) -> Result<(), HubError> {
    let is_here = Path::new(base).exists() || cached(base).is_some_and(|folder| is_whole(&folder));
    if is_here || owner_and_name(base).is_none() {
        return Ok(());
    }
    let (id, cache) = (base.to_owned(), cache());
    let offline = variable("HF_HUB_OFFLINE").and_then(|value| value.into_os_string().into_string().ok());
    if offline.is_some_and(|value| ["1", "on", "yes", "true"].contains(&value.to_lowercase().as_str())) {
        return Err(HubError::Offline { id, cache });
    }
    get(&id, cache, progress)
}

#[cfg(not(feature = "hub"))]
fn get(id: &str, cache: std::path::PathBuf, _: &dyn DownloadProgress) -> Result<(), HubError> {
    Err(HubError::CannotDownload { id: id.to_owned(), cache })
}
