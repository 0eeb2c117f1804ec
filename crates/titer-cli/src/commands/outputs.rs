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

/// What files of tables may end in: the ending says what they are written as.
pub(super) const TABLES: [&str; 3] = ["parquet", "csv", "json"];
/// What files of chats and scores may end in: a line of JSON for each.
pub(super) const LINES: [&str; 1] = ["jsonl"];

/// The ending of a file's name, which must be one of these: another one would promise what is not written.
///
/// # Errors
/// Where it is none of them.
pub(super) fn ending<'a>(path: &Path, known: &[&'a str]) -> Result<&'a str, Failure> {
    let ending = path.extension().and_then(|ending| ending.to_str());
    let found = known.iter().find(|known| Some(**known) == ending);
    found.copied().ok_or_else(|| {
        let known: Vec<String> = known.iter().map(|ending| format!(".{ending}")).collect();
        let (last, first) = known.split_last().expect("there is an ending");
        let list = if first.is_empty() { last.clone() } else { format!("{} or {last}", first.join(", ")) };
        Failure::Input(format!("{}: end the name in {list}", path.display()))
    })
}

/// Sees to it that files which are named end as they must, see [`ending`].
///
/// # Errors
/// Where one does not.
pub(super) fn endings<'a>(
    files: impl IntoIterator<Item = (Option<&'a PathBuf>, &'a [&'a str])>,
) -> Result<(), Failure> {
    files.into_iter().try_for_each(|(path, known)| path.map_or(Ok(()), |path| ending(path, known).map(drop)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_as_what_is_written() {
        assert_eq!(ending(Path::new("a/x.csv"), &TABLES).unwrap(), "csv");
        let said = |name: &str, known: &[&'static str]| ending(Path::new(name), known).unwrap_err().to_string();
        assert_eq!(said("x.foo", &TABLES), "x.foo: end the name in .parquet, .csv or .json");
        assert_eq!(said("scores.parquet", &LINES), "scores.parquet: end the name in .jsonl");
        let paths = [PathBuf::from("x.jsonl"), PathBuf::from("x")];
        assert!(endings([(paths.first(), &LINES[..]), (None, &TABLES[..])]).is_ok());
        assert!(endings([(paths.last(), &LINES[..])]).is_err());
    }
}
