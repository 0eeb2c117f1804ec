//! A file of the user's own that a stage is given: a vector, or the folder of an adapter.

use std::path::PathBuf;

use serde::Serialize;

/// A file or folder by name and, once it has been opened, by content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GivenFile {
    /// Where it is.
    pub path: PathBuf,
    /// Hash of what is in it; empty until it has been opened.
    pub blake3: String,
    /// Whether it is the folder of an adapter, and not a file.
    #[serde(skip)]
    pub is_adapter: bool,
}

impl GivenFile {
    /// A vector's file that has not been opened.
    pub(super) fn vector(path: PathBuf) -> Self {
        Self { path, blake3: String::new(), is_adapter: false }
    }

    /// An adapter's folder that has not been opened.
    pub(super) fn adapter(path: PathBuf) -> Self {
        Self { path, blake3: String::new(), is_adapter: true }
    }

    /// The same without its name, which decides nothing.
    pub(super) fn nameless(self) -> Self {
        Self { path: PathBuf::new(), ..self }
    }
}
