//! Folders in Hugging Face layout, adapters in PEFT's, what training moves, and the state of an optimiser.

mod adapter;
mod config;
mod error;
mod folder;
mod moving;
mod optimiser;
mod regular_file;
mod tensors;
mod weight_files;
mod weights;

pub use adapter::{load_adapter, read_adapter_config, save_adapter};
pub use config::read_config;
pub use error::LoadError;
pub use folder::{load, open, save, save_weights};
pub use moving::{load_moving, save_moving};
pub use optimiser::{load_optimiser, save_optimiser};
pub use regular_file::read_file;
pub use tensors::only_tensor;
pub use weight_files::WeightFiles;
pub use weights::Weights;
