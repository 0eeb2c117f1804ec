//! Folders for what is needed while a command works.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, Once, PoisonError},
};

use titer::files::free_beside;

use crate::{interrupt::when_stopped, listener::listener};

/// Those that are in use.
static IN_USE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A place for a folder. What is there is taken away in the end, also where someone stops the command.
pub(crate) struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    /// A place that nobody else has, under the system's for temporary ones; `command` is in its name.
    pub(crate) fn new(command: &str) -> Self {
        Self::beside(&std::env::temp_dir().join(format!("titer-{command}")))
    }

    /// A place that nobody else has, beside another.
    pub(crate) fn beside(path: &Path) -> Self {
        static WATCHED: Once = Once::new();
        let path = free_beside(path);
        in_use(|folders| folders.push(path.clone()));
        // Where a program listens, signals are its own.
        if listener().is_none() {
            WATCHED.call_once(|| {
                when_stopped("\nstopped", || in_use(|folders| folders.iter().for_each(|folder| remove(folder))))
            });
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
        in_use(|folders| folders.retain(|folder| *folder != self.0));
        remove(&self.0);
    }
}

fn in_use(change: impl FnOnce(&mut Vec<PathBuf>)) {
    change(&mut IN_USE.lock().unwrap_or_else(PoisonError::into_inner));
}

/// Takes a temporary folder away; what cannot be taken away harms nobody.
fn remove(path: &Path) {
    let _ = fs_err::remove_dir_all(path);
}
