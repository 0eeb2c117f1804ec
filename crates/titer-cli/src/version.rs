//! Which titer this is.

use std::sync::LazyLock;

use titer_machine::InstructionSet;

/// The commit that it was built from; `None` where that was not known.
pub(crate) const COMMIT: Option<&str> = option_env!("TITER_COMMIT");

/// Version, commit, and the instruction set in use: `0.1.0 (a1b2c3d, x86-64-v4)`.
pub(crate) fn line() -> &'static str {
    static LINE: LazyLock<String> = LazyLock::new(|| {
        let (version, commit) = (env!("CARGO_PKG_VERSION"), COMMIT.unwrap_or("no commit"));
        format!("{version} ({commit}, {})", InstructionSet::detected().name())
    });
    &LINE
}
