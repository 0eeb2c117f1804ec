//! Folders for what is needed while a command works.

use std::path::{Path, PathBuf};

use titer::files::free_beside;

use crate::{interrupt::when_stopped, listener::listener};

/// A place for a folder, under the system's for temporary ones. What is there is taken away in the end, also where someone stops the
/// command.
pub(crate) struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    /// A place that nobody else has; `command` is in its name.
    pub(crate) fn new(command: &str) -> Self {
        let path = free_beside(&std::env::temp_dir().join(format!("titer-{command}")));
        let stopped = path.clone();
        // Where a program listens, signals are its own.
        if listener().is_none() {
            when_stopped("\nstopped", move || remove(&stopped));
        }
        Self(path)
    }

    /// The place.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// Takes a temporary folder away; what cannot be taken away harms nobody.
fn remove(path: &Path) {
    let _ = fs_err::remove_dir_all(path);
}
