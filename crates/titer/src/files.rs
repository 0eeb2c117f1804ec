//! Files that are whole or not there, and on the disk before anything says so.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use fs_err::OpenOptions;

/// Writes a file whole or not at all: first under a name beside it that nothing has, and renamed once it is on the disk. Replaces an
/// older one; a link is followed, and what is no file, such as a pipe or a terminal, is written into.
///
/// # Errors
/// Where the file system refuses; the message names the path. Nothing is left beside it then.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let followed = if path.is_symlink() { path.canonicalize().ok() } else { None };
    let path = followed.as_deref().unwrap_or(path);
    if path.exists() && !path.is_file() {
        return OpenOptions::new().write(true).open(path)?.write_all(bytes);
    }
    let (temporary, mut file) = new_beside(path)?;
    let mut written = || {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs_err::rename(&temporary, path)?;
        sync_folder(path.parent())
    };
    written().inspect_err(|_| {
        let _ = fs_err::remove_file(&temporary);
    })
}

/// A new file beside a path. Names hold a process's number, which machines that share a folder may have twice; so one that somebody took meanwhile is not taken.
fn new_beside(path: &Path) -> io::Result<(PathBuf, fs_err::File)> {
    loop {
        let free = free_beside(path);
        match OpenOptions::new().write(true).create_new(true).open(&free) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return Ok((free, opened?)),
        }
    }
}

/// A path beside another that nothing has, and that no other process or thread will take.
pub fn free_beside(path: &Path) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}-{count}.part", std::process::id()));
        let free = PathBuf::from(name);
        if free.symlink_metadata().is_err() {
            return free;
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_beside_it_is_touched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        for (name, text) in [("a.csv", "old"), ("a.csv.tmp", "mine"), ("a.csv.part", "mine too")] {
            fs_err::write(dir.path().join(name), text).unwrap();
        }
        write_whole(&path, b"new").unwrap();
        let read = |name: &str| fs_err::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(["a.csv", "a.csv.tmp", "a.csv.part"].map(read), ["new", "mine", "mine too"]);
        assert_eq!(fs_err::read_dir(dir.path()).unwrap().count(), 3);
        fs_err::create_dir(dir.path().join("folder")).unwrap();
        write_whole(&dir.path().join("folder"), b"new").unwrap_err();
        write_whole(&dir.path().join("nowhere/a.csv"), b"new").unwrap_err();
        assert_eq!(fs_err::read_dir(dir.path()).unwrap().count(), 4);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_what_is_no_file_stays_what_it_is() {
        use std::os::unix::fs::{FileTypeExt as _, symlink};

        let dir = tempfile::tempdir().unwrap();
        let [file, link, null] = ["file", "link", "null"].map(|name| dir.path().join(name));
        fs_err::write(&file, "old").unwrap();
        symlink(&file, &link).unwrap();
        write_whole(&link, b"new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs_err::read_to_string(&file).unwrap(), "new");
        symlink("/dev/null", &null).unwrap();
        write_whole(&null, b"new").unwrap();
        assert!(fs_err::metadata("/dev/null").unwrap().file_type().is_char_device());
    }
}
