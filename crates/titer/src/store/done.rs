//! `done`: what a finished run vouches for, as lines `blake3  name` of all its files but the events, which hold times.
//!
//! It is written last, once everything that it names is on the disk. `b3sum --check done` in the run's folder reads it too. Its last line is its
//! first once more, so that one that was cut off is told from a whole one.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use super::{Depth, events};
use crate::files::{sync_folder, write_whole};

/// Its name in a run's folder.
pub(super) const FILE: &str = "done";

/// A file that a run vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Vouched {
    /// Its hash, hexadecimal.
    pub(super) blake3: String,
    /// Its name within the run's folder, parts separated by `/`.
    pub(super) name: String,
}

/// What is read of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// The files, each once; none in a run of an older titer, which wrote it empty.
    pub(super) files: Vec<Vouched>,
    /// Whether it ends as a whole one does.
    pub(super) is_closed: bool,
}

/// Writes it for the files that are in the folder now; those that were written must be among them.
pub(super) fn write(run: &Path, written: &BTreeSet<String>) -> io::Result<()> {
    let mut names = Vec::new();
    list(run, "", &mut names)?;
    names.sort();
    if let Some(gone) = written.iter().find(|name| names.binary_search(name).is_err()) {
        let problem =
            format!("{} was written and is not there any more: something else removed it", run.join(gone).display());
        return Err(io::Error::new(io::ErrorKind::NotFound, problem));
    }
    let (mut text, mut folders) = (String::new(), BTreeSet::from([run.to_owned()]));
    for name in names {
        let path = run.join(&name);
        fs_err::File::open(&path)?.sync_all()?;
        folders.extend(path.parent().map(Path::to_owned));
        if name != events::FILE {
            text += &format!("{}  {name}\n", hash(&path)?);
        }
    }
    text += &text.lines().next().map(|first| format!("{first}\n")).unwrap_or_default();
    folders.iter().try_for_each(|folder| sync_folder(Some(folder)))?;
    write_whole(&run.join(FILE), text.as_bytes())
}

/// What a run vouches for. The error is a problem with its line.
pub(super) fn read(run: &Path) -> Result<Done, String> {
    let path = run.join(FILE);
    let text = fs_err::read_to_string(&path).map_err(|error| error.to_string())?;
    let line = |(at, line): (usize, &str)| -> Result<Vouched, String> {
        let is_hash = |text: &&str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let parts = line.split_once("  ").filter(|(blake3, name)| is_hash(blake3) && !name.is_empty());
        let (blake3, name) = parts.ok_or_else(|| format!("{}:{}: no hash and name", path.display(), at + 1))?;
        Ok(Vouched { blake3: blake3.to_owned(), name: name.to_owned() })
    };
    let mut files: Vec<Vouched> = text.lines().enumerate().map(line).collect::<Result<_, String>>()?;
    let is_closed = files.len() > 1 && files.first() == files.last();
    if is_closed {
        files.pop();
    }
    Ok(Done { files, is_closed })
}

impl Vouched {
    /// What is wrong with the file, if anything is. Checkpoints may be large: only [`Depth::Everything`] reads them.
    pub(super) fn problem(&self, run: &Path, depth: Depth) -> Option<String> {
        let path = run.join(&self.name);
        if !path.exists() {
            return Some(format!("{} is missing", path.display()));
        }
        if self.name.contains('/') && depth == Depth::Tables {
            return None;
        }
        match hash(&path) {
            Err(error) => Some(error.to_string()),
            Ok(hash) if hash == self.blake3 => None,
            Ok(_) => Some(format!("{} is not what the run wrote: its hash is another than in `done`", path.display())),
        }
    }
}

fn hash(path: &Path) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher
        .update_mmap_rayon(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// Adds the names of all files in a folder of the run, which is `within` it.
pub(super) fn list(folder: &Path, within: &str, names: &mut Vec<String>) -> io::Result<()> {
    for entry in fs_err::read_dir(folder)? {
        let path: PathBuf = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            list(&path, &format!("{within}{name}/"), names)?;
        } else {
            names.push(format!("{within}{name}"));
        }
    }
    Ok(())
}
