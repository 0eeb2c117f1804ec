//! Reading a file of chats: JSON Lines, one JSON list, or Parquet, told apart by what is in it.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use serde_json::Value;

use super::{
    messages::{self, Shape},
    parquet,
    problem::Problem,
};
use crate::chat::Row;

/// An entry of a file that is no row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineError {
    /// What is counted: `line`, or `row` where the file has no lines of its own.
    pub unit: &'static str,
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}: {}", self.unit, self.line, self.problem, self.remedy)
    }
}

/// How a file holds its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// A JSON object a line.
    JsonLines,
    /// One JSON list.
    JsonList,
    /// Parquet.
    Parquet,
}

/// What a file was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// How it holds its entries.
    pub container: Container,
    /// How many rows are written in which way.
    pub shapes: BTreeMap<Shape, usize>,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.container {
            Container::JsonLines => "JSON Lines",
            Container::JsonList => "a JSON list",
            Container::Parquet => "Parquet",
        })?;
        let several = self.shapes.len() > 1;
        for (at, (shape, count)) in self.shapes.iter().enumerate() {
            f.write_str(if at == 0 { " of " } else { " and " })?;
            f.write_str(shape.word())?;
            if several {
                write!(f, " ({count})")?;
            }
        }
        Ok(())
    }
}

/// All that a file holds.
#[derive(Clone, Debug)]
pub struct ChatFile {
    /// What it was found to be.
    pub format: Format,
    /// Its rows, in order.
    pub rows: Vec<Row>,
    /// Every entry that is no row, in order.
    pub errors: Vec<LineError>,
}

/// Why a file gives no rows.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be opened or read; the message names it.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// An entry is no row.
    #[error("{}, {error}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which entry, what is wrong, what to do.
        error: LineError,
    },
    /// It begins as Parquet does, but cannot be read as such.
    #[error("{}: damaged Parquet: {problem}", path.display())]
    Parquet {
        /// Which file.
        path: PathBuf,
        /// What the parquet crate says.
        problem: String,
    },
    /// Nothing but blank lines.
    #[error("{}: the file holds no rows: write one JSON object per line", .0.display())]
    Empty(PathBuf),
}

/// The rows of a file, in order; blank lines are passed over.
///
/// Fails on the first entry that is no row, when the file cannot be read, and when it holds no row at all.
pub fn read_rows(path: impl AsRef<Path>) -> Result<Vec<Row>, ReadError> {
    let path = path.as_ref();
    parse_rows(path, &fs_err::read(path)?.into())
}

/// The same of a file whose bytes have been read; errors name it by `path`.
///
/// Fails on the first entry that is no row, and when there is no row at all.
pub fn parse_rows(path: &Path, bytes: &Bytes) -> Result<Vec<Row>, ReadError> {
    let file = parse_chat_file(path, bytes)?;
    match file.errors.into_iter().next() {
        Some(error) => Err(ReadError::Line { path: path.to_owned(), error }),
        None => Ok(file.rows),
    }
}

/// The rows of a file, what it was found to be, and every entry that is no row.
///
/// Fails only when the file cannot be read or holds nothing at all.
pub fn read_chat_file(path: impl AsRef<Path>) -> Result<ChatFile, ReadError> {
    let path = path.as_ref();
    parse_chat_file(path, &fs_err::read(path)?.into())
}

fn parse_chat_file(path: &Path, bytes: &Bytes) -> Result<ChatFile, ReadError> {
    let (container, entries) = if bytes.starts_with(parquet::MAGIC) {
        let damaged = |problem| ReadError::Parquet { path: path.to_owned(), problem };
        (Container::Parquet, number("row", parquet::records(bytes.clone()).map_err(damaged)?.into_iter().map(Ok)))
    } else {
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        match list(text) {
            Some(values) => (Container::JsonList, number("row", values.into_iter().map(Ok))),
            None => (Container::JsonLines, lines(text)),
        }
    };
    let mut file =
        ChatFile { format: Format { container, shapes: BTreeMap::new() }, rows: Vec::new(), errors: Vec::new() };
    for (unit, line, value) in entries {
        match value.and_then(|value| messages::row(value, line)) {
            Ok((row, shape)) => {
                *file.format.shapes.entry(shape).or_default() += 1;
                file.rows.push(row);
            }
            Err(Problem { problem, remedy }) => file.errors.push(LineError { unit, line, problem, remedy }),
        }
    }
    if file.rows.is_empty() && file.errors.is_empty() { Err(ReadError::Empty(path.to_owned())) } else { Ok(file) }
}

/// An entry: what its number counts, its number from 1, and its value.
type Entry = (&'static str, usize, Result<Value, Problem>);

fn number(unit: &'static str, values: impl Iterator<Item = Result<Value, Problem>>) -> Vec<Entry> {
    values.enumerate().map(|(at, value)| (unit, at + 1, value)).collect()
}

/// The values of a text that is one JSON list of objects.
fn list(text: &[u8]) -> Option<Vec<Value>> {
    let is_list = text.trim_ascii_start().starts_with(b"[");
    let values: Vec<Value> = if is_list { serde_json::from_slice(text).ok()? } else { return None };
    (!values.is_empty()).then_some(values)
}

/// Each line that is not blank, as a value.
fn lines(bytes: &[u8]) -> Vec<Entry> {
    let all = bytes.split(|&byte| byte == b'\n').enumerate();
    let written = all.filter(|(_, line)| !line.trim_ascii().is_empty());
    written.map(|(at, line)| ("line", at + 1, parse(line))).collect()
}

fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|error| Problem {
        problem: format!("not UTF-8 from byte {} on", error.valid_up_to() + 1),
        remedy: "save the file as UTF-8".to_owned(),
    })?;
    serde_json::from_str(text).map_err(|error| Problem {
        problem: format!("not JSON at column {} ({})", error.column(), error_text(&error)),
        remedy: "write one complete JSON object per line".to_owned(),
    })
}

/// What serde_json says, without its line number, which is always 1 here.
fn error_text(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split_once(" at line ").map_or(text.clone(), |(reason, _)| reason.to_owned())
}
