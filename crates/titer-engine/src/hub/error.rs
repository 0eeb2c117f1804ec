//! Why a model is not on this machine.

use std::path::PathBuf;

/// Why a model is not on this machine.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// It would have to be downloaded, and the user does not want that.
    #[error(
        "`{id}` is no folder here, nor whole in the local hub cache {cache}, and HF_HUB_OFFLINE is set; unset it to download the \
         model, or name a folder"
    )]
    Offline {
        /// The model.
        id: String,
        /// The cache.
        cache: PathBuf,
    },
    /// It would have to be downloaded, and this program cannot do that.
    #[error(
        "`{id}` is no folder here, nor whole in the local hub cache {cache}, and this titer was built without the feature `hub`; \
         download the model with `hf download {id}`, or name a folder"
    )]
    CannotDownload {
        /// The model.
        id: String,
        /// The cache.
        cache: PathBuf,
    },
    /// It cannot be downloaded.
    #[error("`{id}` is no folder here, and cannot be downloaded from {endpoint}: {problem}")]
    Download {
        /// The model.
        id: String,
        /// The hub.
        endpoint: String,
        /// What went wrong, and a remedy.
        problem: String,
    },
}
