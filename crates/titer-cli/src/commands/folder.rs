//! What commands that write a sweep's folder have in common.

use std::path::{Path, PathBuf};

use titer::{
    files::write_whole,
    forecast::SavedForecast,
    store::{Depth, StoreError, Sweep},
};

use crate::{
    printer::{Failure, talk},
    temporary::TemporaryFolder,
};

/// Takes a forecast that lies beside the spec into the sweep's folder.
pub(super) fn keep(foretold: Option<&Path>, out: &Path) -> Result<(), Failure> {
    let Some(file) = foretold else { return Ok(()) };
    let text = fs_err::read(file).map_err(Failure::work)?;
    write_whole(&out.join(SavedForecast::FILE), &text).map_err(Failure::work)
}

/// Writes a folder that must not be there yet: beside its place, and then called so, so that a folder that is there is whole.
pub(super) fn whole_folder<T>(out: &Path, write: impl FnOnce(&Path) -> Result<T, Failure>) -> Result<T, Failure> {
    // Without a slash at its end, so that what is written first lies beside it.
    let out = &out.components().collect::<PathBuf>();
    is_free(out)?;
    let part = TemporaryFolder::beside(out);
    let written = write(part.path())?;
    fs_err::rename(part.path(), out).map_err(Failure::work)?;
    Ok(written)
}

/// Makes sure that nothing is where a folder is to be written.
pub(super) fn is_free(out: &Path) -> Result<(), Failure> {
    match out.symlink_metadata() {
        Ok(_) => Err(Failure::Input(format!("{} exists already; name another folder with --out", out.display()))),
        Err(_) => Ok(()),
    }
}

/// The fault is the user's, unless the file system's.
pub(super) fn failure(error: StoreError) -> Failure {
    match error {
        StoreError::Io(error) => Failure::work(error),
        other => Failure::input(other),
    }
}

/// Finished runs that are damaged are made again where that is asked for, and named where not.
pub(super) fn repair(sweep: &Sweep, asked: bool) -> Result<(), Failure> {
    // What is repaired is what `verify` names; else checkpoints, which may be large, are not read.
    let depth = if asked { Depth::Everything } else { Depth::Tables };
    let damage = sweep.damage(depth).map_err(failure)?;
    if !asked && !damage.is_empty() {
        let problems: Vec<String> = damage.iter().map(ToString::to_string).collect();
        return Err(Failure::Input(problems.join("\nerror: ")));
    }
    damage.iter().try_for_each(|damage| {
        talk(&format!("{}; this run is made again", damage.problem));
        sweep.reopen(damage).map_err(Failure::work)
    })
}
