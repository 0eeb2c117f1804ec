//! Files that are whole or not there.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// Writes a file: first under a temporary name beside it, then renamed, so that a file of this name is always whole. Replaces an
/// older one.
///
/// # Errors
/// Where the file system refuses; the message names the path.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let mut file = fs_err::File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs_err::rename(&temporary, path)
}
