//! Reading a file of chats, in whichever container.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
};

use bytes::Bytes;

use super::{
    container::{Container, ContainerError, entries},
    entry::Entry,
    messages::{self, ReadRow, Shape},
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

/// What a file was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// How it holds its entries.
    pub container: Container,
    /// How many rows are written in which way.
    pub shapes: BTreeMap<Shape, usize>,
    /// Whether titer 0.1 read some of them otherwise.
    pub(crate) anew: bool,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.container)?;
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
    /// It holds no entries that could be read one by one.
    #[error("{}: {problem}", path.display())]
    Container {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: ContainerError,
    },
    /// Nothing but blank lines.
    #[error("{}: the file holds no rows: write one JSON object per line", .0.display())]
    Empty(PathBuf),
    /// A container with nothing in it.
    #[error("{}: {container} that holds no rows: {remedy}", path.display())]
    EmptyContainer {
        /// Which file.
        path: PathBuf,
        /// What it is.
        container: Container,
        /// What to do.
        remedy: &'static str,
    },
}

/// The bytes of a file. A pipe with a name may have nobody at its other end, so it is none; one that the shell has opened, as by
/// `<(command)`, is.
///
/// # Errors
/// Where it is missing, a folder, a device or a pipe with a name; the error names it.
pub fn read_data(path: &Path) -> io::Result<Bytes> {
    let own = format!("/proc/{}/fd", std::process::id());
    let is_open = || {
        ["/dev/fd", "/proc/self/fd", &own].iter().any(|open| path.starts_with(open)) || path == Path::new("/dev/stdin")
    };
    match fs_err::metadata(path) {
        Ok(metadata) if !metadata.is_file() && !is_open() => {
            Err(io::Error::other(format!("{} is no file, but a folder, a pipe or a device", path.display())))
        }
        _ => Ok(fs_err::read(path)?.into()),
    }
}

/// The rows of a file, in order; blank lines are passed over.
///
/// Fails on the first entry that is no row, when the file cannot be read, and when it holds no row at all.
pub fn read_rows(path: impl AsRef<Path>) -> Result<Vec<Row>, ReadError> {
    let path = path.as_ref();
    parse_rows(path, &read_data(path)?)
}

/// The same of a file whose bytes have been read; errors name it by `path`.
///
/// Fails on the first entry that is no row, and when there is no row at all.
pub fn parse_rows(path: &Path, bytes: &Bytes) -> Result<Vec<Row>, ReadError> {
    parse_chat_file(path, bytes)?.all_rows(path)
}

impl ChatFile {
    /// Its rows; fails on the first entry that is none.
    pub(crate) fn all_rows(self, path: &Path) -> Result<Vec<Row>, ReadError> {
        match self.errors.into_iter().next() {
            Some(error) => Err(ReadError::Line { path: path.to_owned(), error }),
            None => Ok(self.rows),
        }
    }
}

/// The rows of a file, what it was found to be, and every entry that is no row.
///
/// Fails only when the file cannot be read or holds nothing at all.
pub fn read_chat_file(path: impl AsRef<Path>) -> Result<ChatFile, ReadError> {
    let path = path.as_ref();
    parse_chat_file(path, &read_data(path)?)
}

/// The same of a file whose bytes have been read; errors name it by `path`.
///
/// Fails only when it holds nothing at all.
pub fn parse_chat_file(path: &Path, bytes: &Bytes) -> Result<ChatFile, ReadError> {
    let unreadable = |problem| ReadError::Container { path: path.to_owned(), problem };
    let (container, entries) = entries(path, bytes).map_err(unreadable)?;
    let mut file = ChatFile {
        format: Format { container, shapes: BTreeMap::new(), anew: false },
        rows: Vec::new(),
        errors: Vec::new(),
    };
    for Entry { unit, number: line, value } in entries {
        match value.and_then(|value| messages::row(value, line)) {
            Ok(ReadRow { row, shape, anew }) => {
                *file.format.shapes.entry(shape).or_default() += 1;
                file.format.anew |= anew;
                file.rows.push(row);
            }
            Err(Problem { problem, remedy }) => file.errors.push(LineError { unit, line, problem, remedy }),
        }
    }
    if !file.rows.is_empty() || !file.errors.is_empty() {
        return Ok(file);
    }
    let remedy = match container {
        Container::JsonLines | Container::JsonValues => return Err(ReadError::Empty(path.to_owned())),
        Container::Csv | Container::Tsv => "below the names of the columns, write a line for each row",
        Container::JsonList => "write an object for each row into the list",
        Container::Parquet => "save the table with its rows",
    };
    Err(ReadError::EmptyContainer { path: path.to_owned(), container, remedy })
}
