//! A model to work on, and the files that it comes from.

mod copies;
mod encoded_once;
mod error;
mod files;
mod loaded;
mod memory;
mod other_templates;
mod saved;
mod special_tokens;
mod text;
mod vocabulary;
mod weights;

pub use titer_model::stored::Dtype;

pub use copies::ModelCopies;
pub(crate) use encoded_once::EncodedOnce;
pub use error::ModelError;
pub use files::{ADAPTER, Files, is_carried};
pub(crate) use files::{ADAPTER_CONFIG, CHAT_TEMPLATE, ORGANISM, last_checkpoint, whole_checkpoint};
pub(crate) use loaded::{AdapterBytes, OPTIMISER, lora_config};
pub use loaded::{EngineBackend, EngineOptimiser, Model};
pub(crate) use other_templates::OtherTemplates;
pub(crate) use special_tokens::check_special_tokens;
pub(crate) use text::utf8;
