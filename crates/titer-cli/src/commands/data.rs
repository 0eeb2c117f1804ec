//! Chats that a command is given: files, or the `[data]` of a spec.

use std::path::Path;

use titer_data::source::DataFiles;

use super::open::read_spec;
use crate::printer::Failure;

/// Whether a path names a spec.
pub(super) fn is_spec(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"))
}

/// The `[data]` of a spec.
pub(super) fn of_spec(path: &Path) -> Result<DataFiles, Failure> {
    let spec = read_spec(path).map_err(Failure::input)?;
    let none = || Failure::Input(format!("{}: the spec has no [data]", path.display()));
    spec.data.ok_or_else(none)
}
