//! The one printer: stdout is data, stderr is talk.

use std::{
    fmt,
    io::{self, Write as _},
};

use serde_json::{Value, json};
use titer::stats::Estimate;

/// Why a command did not do its work. Decides the exit code.
#[derive(Debug)]
pub enum Failure {
    /// The user's input is at fault: exit code 2.
    Input(String),
    /// Something else is: exit code 1.
    Work(String),
}

impl Failure {
    /// The user's input is at fault.
    pub fn input(problem: impl fmt::Display) -> Self {
        Self::Input(problem.to_string())
    }

    /// Something else is.
    pub fn work(problem: impl fmt::Display) -> Self {
        Self::Work(problem.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Input(problem) | Self::Work(problem)) = self;
        f.write_str(problem)
    }
}

/// An estimate as JSON: mean, interval and how many items are behind it.
pub fn interval(estimate: Estimate) -> Value {
    json!({ "mean": estimate.mean, "low": estimate.low, "high": estimate.high, "n": estimate.n_items })
}

/// Writes a line of data to stdout. A reader that has left is no error; anything else that keeps data from being written ends
/// the process with exit code 1.
pub fn data(line: &str) {
    if let Err(error) = writeln!(io::stdout().lock(), "{line}")
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        talk(&format!("error: stdout: {error}"));
        std::process::exit(1);
    }
}

/// Writes a line of talk to stderr.
pub fn talk(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
