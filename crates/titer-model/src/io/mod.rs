//! Folders in Hugging Face layout.

mod folder;

pub use folder::{LoadError, SpecialTokens, load, read_config, save};
