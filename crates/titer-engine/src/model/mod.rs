//! A model to work on, and the files that it comes from.

mod encoded_once;
mod error;
mod files;
mod loaded;
mod saved;
mod weights;

pub use titer_model::stored::Dtype;

pub(crate) use encoded_once::EncodedOnce;
pub use error::ModelError;
pub use files::{Files, ORGANISM};
pub use loaded::{ADAPTER, ADAPTER_CONFIG, EngineBackend, EngineOptimiser, Model, OPTIMISER, lora_config};
