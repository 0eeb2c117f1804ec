//! Models of the Hugging Face hub: where they lie on this machine and, with the feature `hub`, how they get there.
//!
//! Only [`fetch`] ever uses the network; everything else reads the local cache, which is the one of transformers.

mod cache;
#[cfg(feature = "hub")]
mod download;
mod error;
mod fetch;
mod progress;

pub(crate) use cache::OTHER_TEMPLATES;
pub use cache::cached;
pub use error::HubError;
pub use fetch::fetch;
pub use progress::DownloadProgress;
