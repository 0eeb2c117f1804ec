//! What of a sweep's folder must be equal for equal sweeps.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Files of this name in the folders of a sweep's runs.
pub(crate) fn files(sweep: &Path, named: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let Ok(runs) = fs_err::read_dir(sweep) else { return Vec::new() };
    let runs = runs.map(|run| run.unwrap().path()).filter(|run| run.is_dir());
    // A run's folder may be made anew while one looks.
    let files = runs.flat_map(|run| fs_err::read_dir(run).into_iter().flatten().filter_map(Result::ok));
    let mut found: Vec<PathBuf> =
        files.map(|file| file.path()).filter(|file| named(&file.file_name().unwrap().to_string_lossy())).collect();
    found.sort();
    found
}

/// Plans, tables and what vouches for them, by their path in the sweep's folder.
pub(crate) fn tables(sweep: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let tables = files(sweep, |name| name.ends_with(".parquet") || name == "plan.toml" || name == "done");
    tables
        .into_iter()
        .map(|path| (path.strip_prefix(sweep).unwrap().to_owned(), fs_err::read(&path).unwrap()))
        .collect()
}
