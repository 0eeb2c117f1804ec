//! Paths in JSON: a path that is not UTF-8 is shown as well as it can be, and stops no command.

use std::path::Path;

/// A path as JSON and people get it.
pub(crate) fn shown(path: impl AsRef<Path>) -> String {
    path.as_ref().display().to_string()
}
