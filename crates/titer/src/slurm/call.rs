//! Calling Slurm's commands.

use std::{ffi::OsStr, io::ErrorKind, process::Command};

use super::SlurmError;

/// What a command of Slurm's prints.
pub(super) fn call<S: AsRef<OsStr>>(
    tool: &'static str,
    args: impl IntoIterator<Item = S>,
) -> Result<String, SlurmError> {
    let args: Vec<S> = args.into_iter().collect();
    let output = match Command::new(tool).args(&args).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(SlurmError::NoSlurm(tool)),
        output => output?,
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words = args.iter().map(|arg| arg.as_ref().to_string_lossy().into_owned());
    let command = [tool.to_owned()].into_iter().chain(words).collect::<Vec<_>>().join(" ");
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Err(SlurmError::Refused { command, said: said.join("; ") })
}
