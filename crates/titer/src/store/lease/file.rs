//! The file of a lease: a line of who holds it, and a line of how it ended once it has.
//!
//! Files are numbered from 0 for each thing that is leased, and are not taken away while it is unfinished: who takes an expired
//! lease makes the next number, which only one can. The file is complete and locked before it has its name.

use std::{
    fs::TryLockError,
    io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
    time::SystemTime,
};

use serde::{Deserialize, Serialize};

use super::Holder;

/// How a lease ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeaseEnd {
    /// What was leased is finished.
    Finished,
    /// Its holder was told to stop.
    Left,
    /// What was leased could not be done, for this reason.
    Failed(String),
}

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Deed {
    /// Tells two leases of one holder apart.
    pub(super) token: String,
    /// Whether the file is locked by its holder, as the operating system locks files.
    pub(super) locked: bool,
    #[serde(flatten)]
    pub(super) holder: Holder,
}

/// What was found in the file of a lease.
#[derive(Clone, Debug)]
pub(super) struct LeaseFile {
    /// `None` where it cannot be read: its maker is not done with it, or did not come to it.
    pub(super) deed: Option<Deed>,
    pub(super) end: Option<LeaseEnd>,
    /// Whether somebody has it locked; `None` where that cannot be told.
    pub(super) is_locked: Option<bool>,
    /// When its holder last gave a sign of life, by the file server's clock.
    pub(super) touched: SystemTime,
}

impl LeaseFile {
    /// The file at a path; `None` where there is none.
    pub(super) fn read(path: &Path) -> io::Result<Option<Self>> {
        let mut file = match fs_err::File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        // What is no text is a file that cannot be read, like one that is half there: nobody's, until it expires.
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let touched = file.metadata()?.modified()?;
        // Shared, so that two who look do not take each other for the holder.
        let is_locked = match file.file().try_lock_shared() {
            Ok(()) => Some(false),
            Err(TryLockError::WouldBlock) => Some(true),
            Err(TryLockError::Error(_)) => None,
        };
        let mut lines = text.lines();
        let deed = lines.next().and_then(|line| serde_json::from_str(line).ok());
        let end = lines.next().and_then(|line| serde_json::from_str(line).ok());
        Ok(Some(Self { deed, end, is_locked, touched }))
    }
}

/// A lease's file, open for its holder, who has it locked where the file system can do that.
#[derive(Debug)]
pub(super) struct HeldFile(fs_err::File);

impl HeldFile {
    /// Makes a lease's file with its name; `None` where another one has that name.
    pub(super) fn make(path: &Path, draft: &Path, mut deed: Deed) -> io::Result<Option<Self>> {
        let mut file = fs_err::OpenOptions::new().create_new(true).write(true).open(draft)?;
        deed.locked = file.file().try_lock().is_ok();
        let line = serde_json::to_string(&deed).expect("a deed is plain data") + "\n";
        if let Err(error) = file.write_all(line.as_bytes()) {
            // The reason is what counts.
            let _ = fs_err::remove_file(draft);
            return Err(error);
        }
        let linked = match fs_err::hard_link(draft, path) {
            Ok(()) => Ok(Some(file)),
            // A file server's answer can get lost where the link was made.
            Err(_) if links(file.file()) == 2 => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
            // No links on this file system.
            Err(_) => created(path, &line),
        };
        let _ = fs_err::remove_file(draft);
        Ok(linked?.map(Self))
    }

    /// A sign of life: writes what is there already.
    pub(super) fn touch(&mut self) -> io::Result<()> {
        self.0.seek(SeekFrom::Start(0))?;
        self.0.write_all(b"{")
    }

    /// Says how it ended.
    pub(super) fn end(mut self, end: &LeaseEnd) -> io::Result<()> {
        self.0.seek(SeekFrom::End(0))?;
        let line = serde_json::to_string(end).expect("an end is plain data") + "\n";
        self.0.write_all(line.as_bytes())
    }
}

/// A file that is made under its name at once; it is without its line for a moment, in which it counts as held.
fn created(path: &Path, line: &str) -> io::Result<Option<fs_err::File>> {
    let mut file = match fs_err::OpenOptions::new().create_new(true).write(true).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(None),
        file => file?,
    };
    // Whoever looks must not conclude from a lock that it does not see.
    let line = line.replacen("\"locked\":true", "\"locked\":false", 1);
    file.write_all(line.as_bytes())?;
    Ok(Some(file))
}

#[cfg(unix)]
fn links(file: &std::fs::File) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    file.metadata().map_or(0, |metadata| metadata.nlink())
}

#[cfg(not(unix))]
fn links(_: &std::fs::File) -> u64 {
    0
}
