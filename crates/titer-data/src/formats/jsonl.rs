//! Reading JSONL files line by line.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::messages;
use crate::chat::Row;

/// A line that is no row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineError {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}: {}", self.line, self.problem, self.remedy)
    }
}

/// Why a file gives no rows.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be opened or read; the message names it.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A line is no row.
    #[error("{}, {error}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, what is wrong, what to do.
        error: LineError,
    },
    /// Nothing but blank lines.
    #[error("{}: the file holds no rows: write one JSON object per line", .0.display())]
    Empty(PathBuf),
}

/// The rows of a JSONL file, in order; blank lines are passed over.
///
/// Fails on the first line that is no row, when the file cannot be read, and when it holds no row at all.
pub fn read_jsonl(path: impl AsRef<Path>) -> Result<Vec<Row>, ReadError> {
    let path = path.as_ref();
    let bytes = fs_err::read(path)?;
    let rows = lines(&bytes)
        .collect::<Result<Vec<Row>, LineError>>()
        .map_err(|error| ReadError::Line { path: path.to_owned(), error })?;
    if rows.is_empty() { Err(ReadError::Empty(path.to_owned())) } else { Ok(rows) }
}

/// The rows of a JSONL file and every line that is none, both in order.
///
/// Fails only when the file cannot be read or holds nothing at all.
pub fn read_jsonl_all(path: impl AsRef<Path>) -> Result<(Vec<Row>, Vec<LineError>), ReadError> {
    let path = path.as_ref();
    let bytes = fs_err::read(path)?;
    let (mut rows, mut errors) = (Vec::new(), Vec::new());
    for line in lines(&bytes) {
        match line {
            Ok(row) => rows.push(row),
            Err(error) => errors.push(error),
        }
    }
    if rows.is_empty() && errors.is_empty() { Err(ReadError::Empty(path.to_owned())) } else { Ok((rows, errors)) }
}

/// Each line that is not blank, as a row.
fn lines(bytes: &[u8]) -> impl Iterator<Item = Result<Row, LineError>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    bytes
        .split(|&byte| byte == b'\n')
        .enumerate()
        .filter(|(_, line)| !line.trim_ascii().is_empty())
        .map(|(k, line)| parse(line, k + 1))
}

fn parse(bytes: &[u8], line: usize) -> Result<Row, LineError> {
    let text = std::str::from_utf8(bytes).map_err(|error| LineError {
        line,
        problem: format!("not UTF-8 from byte {} on", error.valid_up_to() + 1),
        remedy: "save the file as UTF-8".to_owned(),
    })?;
    let value: Value = serde_json::from_str(text).map_err(|error| LineError {
        line,
        problem: format!("not JSON at column {} ({})", error.column(), error_text(&error)),
        remedy: "write one complete JSON object per line".to_owned(),
    })?;
    messages::row(value, line).map_err(|error| LineError { line, problem: error.problem, remedy: error.remedy })
}

/// What serde_json says, without its line number, which is always 1 here.
fn error_text(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split_once(" at line ").map_or(text.clone(), |(reason, _)| reason.to_owned())
}
