//! Folders in Hugging Face layout, adapters in PEFT's, and the state of an optimiser.

mod adapter;
mod config;
mod folder;
mod optimiser;
mod tensors;

pub use adapter::{load_adapter, read_adapter_config, save_adapter};
pub use config::read_config;
pub use folder::{LoadError, load, load_folder, open, save, save_weights, weight_files};
pub use optimiser::{load_optimiser, save_optimiser};
