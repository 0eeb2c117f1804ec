//! `titer completions`

use clap::CommandFactory as _;

use crate::{
    args::{Args, CompletionsArgs},
    printer::{Failure, verbatim},
};

/// Prints the script of a shell.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "titer", &mut script);
    verbatim(String::from_utf8_lossy(&script).trim_end());
    Ok(())
}
