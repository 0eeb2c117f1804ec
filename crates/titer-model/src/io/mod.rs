//! Folders in Hugging Face layout, and adapters in PEFT's.

mod adapter;
mod folder;
mod tensors;

pub use adapter::{load_adapter, read_adapter_config, save_adapter};
pub use folder::{LoadError, load, read_config, save};
