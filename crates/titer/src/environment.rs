//! What the environment says.

use std::path::PathBuf;

/// An environment variable that is not empty: `NAME=` sets nothing.
pub fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Where programs keep what they can make again: `XDG_CACHE_HOME`, else `.cache` at home; `None` where there is no home.
pub fn cache_folder() -> Option<PathBuf> {
    let home = || variable("HOME").or_else(std::env::home_dir).filter(|home| !home.as_os_str().is_empty());
    variable("XDG_CACHE_HOME").or_else(|| Some(home()?.join(".cache")))
}
