//! The files that a command is going to write, checked before it does any work.

use std::path::{Path, PathBuf};

use crate::printer::Failure;

/// Sees to it that files can be written that must not be there yet, each to a path of its own.
///
/// # Errors
/// Where one is there already, has no folder, cannot be written, or is another one too.
pub(super) fn fresh<'a>(outputs: impl IntoIterator<Item = (&'a str, Option<&'a PathBuf>)>) -> Result<(), Failure> {
    let outputs: Vec<_> = outputs.into_iter().filter_map(|(option, path)| Some((option, path?.as_path()))).collect();
    apart(&outputs)?;
    for (option, path) in outputs {
        if path.symlink_metadata().is_ok() {
            return Err(Failure::Input(format!("{} exists already; name another file with {option}", path.display())));
        }
        // Made and taken away: whether a path can be written is what the file system says when it is asked to.
        let made = fs_err::File::create_new(path).and_then(|_| fs_err::remove_file(path));
        made.map_err(|error| Failure::Input(format!("{option}: {error}")))?;
    }
    Ok(())
}

/// Sees to it that a report can be written: an older one may be replaced, and a file in which nothing is, but nothing else.
///
/// # Errors
/// Where something else is there; `remedy` says what to do.
pub(super) fn is_report(path: &Path, remedy: &str) -> Result<(), Failure> {
    let other = |what: &str| Err(Failure::Input(format!("{} is {what}; {remedy}", path.display())));
    if path.is_dir() {
        return other("a folder, where the report is to be");
    }
    if !path.is_file() {
        return Ok(());
    }
    let text = fs_err::read(path).map_err(Failure::input)?;
    if text.is_empty() || text.starts_with(b"<!doctype html>") { Ok(()) } else { other("no report") }
}

/// Sees to it that files have a folder, and each a path of its own; they may be there already.
///
/// # Errors
/// Where one has no folder, is a folder, or is another one too.
pub(super) fn apart(outputs: &[(&str, &Path)]) -> Result<(), Failure> {
    let mut places: Vec<(&str, PathBuf)> = Vec::new();
    for (option, path) in outputs {
        let place = place(path)?;
        if let Some((other, _)) = places.iter().find(|(_, earlier)| *earlier == place) {
            let problem = format!("{}: {other} and {option} name the same file; give each its own", path.display());
            return Err(Failure::Input(problem));
        }
        places.push((option, place));
    }
    Ok(())
}

/// Where a file is, by the one path of its folder.
fn place(path: &Path) -> Result<PathBuf, Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().filter(|_| !path.is_dir());
    let name = name.ok_or_else(|| Failure::Input(format!("{} is a folder; name a file in it", path.display())))?;
    if !folder.is_dir() {
        let problem = format!("{}: there is no folder {}; make it first", path.display(), folder.display());
        return Err(Failure::Input(problem));
    }
    Ok(fs_err::canonicalize(folder).map_err(Failure::input)?.join(name))
}
