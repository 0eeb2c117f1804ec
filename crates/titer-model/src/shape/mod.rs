//! The shape of a decoder: its sizes, its family, and which of its layers get adapters.

mod config;
mod family;
mod lora;
mod modules;
mod rope;
mod variant;

pub use config::Config;
pub use family::DecoderFamily;
pub(crate) use family::{Norms, QueryKeyNorm};
pub use lora::{LINEAR_LAYERS, LoraConfig, LoraSize};
pub use modules::ModuleNames;
pub use rope::RopeScaling;
pub(crate) use rope::rope_table;
pub use variant::{Multipliers, Sliding, Variant};
