//! Why a file could not be read.

use std::path::{Path, PathBuf};

/// Why a model folder could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file is missing or unreadable.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// `config.json` does not say what it should.
    #[error("{path}: {problem}")]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The weights do not fit the config.
    #[error("{path}: {problem}")]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl LoadError {
    pub(super) fn weights(path: &Path) -> impl Fn(String) -> Self {
        |problem| Self::Weights { path: path.to_owned(), problem }
    }
}
