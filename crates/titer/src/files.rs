//! Files that are whole or not there, and on the disk before anything says so.

use std::{
    io::{self, Write as _},
    path::Path,
};

/// Writes a file whole or not at all: first under a temporary name beside it, and renamed once it is on the disk. Replaces an
/// older one.
///
/// # Errors
/// Where the file system refuses; the message names the path.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let mut file = fs_err::File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs_err::rename(temporary, path)?;
    sync_folder(path.parent())
}

/// Puts the names in a folder on the disk.
///
/// # Errors
/// Where the file system refuses.
pub(crate) fn sync_folder(folder: Option<&Path>) -> io::Result<()> {
    // A path without a folder is in the current one.
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Elsewhere a folder is no file.
    if cfg!(unix) { fs_err::File::open(folder)?.sync_all() } else { Ok(()) }
}
