//! Files that are files: reading a pipe or a device may never end.

use std::{io, path::Path};

/// The bytes of a file of a model's folder.
///
/// Fails where it is missing, a folder, a pipe or a device; the error names it.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    check_file(path)?;
    fs_err::read(path)
}

/// Fails where this is no file; a link to one is one.
pub(super) fn check_file(path: &Path) -> io::Result<()> {
    // What is not there is told better by whoever opens it.
    match fs_err::metadata(path) {
        Ok(metadata) if !metadata.is_file() => {
            Err(io::Error::other(format!("{} is no file, but a folder, a pipe or a device", path.display())))
        }
        _ => Ok(()),
    }
}
