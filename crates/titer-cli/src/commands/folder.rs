//! What commands that write a sweep's folder have in common.

use std::path::Path;

use titer::{
    files::write_whole,
    forecast::SavedForecast,
    store::{StoreError, Sweep},
};

use crate::printer::{Failure, talk};

/// Takes a forecast that lies beside the spec into the sweep's folder.
pub(super) fn keep(foretold: Option<&Path>, out: &Path) -> Result<(), Failure> {
    let Some(file) = foretold else { return Ok(()) };
    let text = fs_err::read(file).map_err(Failure::work)?;
    write_whole(&out.join(SavedForecast::FILE), &text).map_err(Failure::work)
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
    let damage = sweep.damage().map_err(failure)?;
    if !asked && !damage.is_empty() {
        let problems: Vec<String> = damage.iter().map(ToString::to_string).collect();
        return Err(Failure::Input(problems.join("\nerror: ")));
    }
    damage.iter().try_for_each(|damage| {
        talk(&format!("{}; this run is made again", damage.problem));
        sweep.reopen(damage).map_err(Failure::work)
    })
}
