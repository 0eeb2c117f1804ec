//! Folders in Hugging Face layout.

mod folder;

pub use folder::{LoadError, load, read_config, save};
