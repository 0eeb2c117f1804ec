//! The command line without a network.

use std::{path::Path, process::Command};

/// Runs titer without a network: exit code, stdout and stderr.
pub(crate) fn titer(dir: &Path, cache: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_titer"));
    let output =
        command.current_dir(dir).env("HF_HUB_CACHE", cache).env("HF_HUB_OFFLINE", "1").args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}
