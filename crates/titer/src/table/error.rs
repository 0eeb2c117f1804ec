//! What can be wrong with a table.

use std::{io, path::PathBuf};

use parquet::errors::ParquetError;

/// A table that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file system refused; the message names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file is not Parquet, or is damaged.
    #[error("{} is not a readable table: {source}", path.display())]
    Parquet {
        /// The table.
        path: PathBuf,
        /// What Parquet says.
        source: ParquetError,
    },
    /// It is another table.
    #[error("{} is the table `{written}`, not `{wanted}`", path.display())]
    Another {
        /// The table.
        path: PathBuf,
        /// What it is.
        written: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// A newer titer wrote it.
    #[error(
        "{} has schema {written}, and this titer reads up to {known}: read it with the titer that wrote it ({version})",
        path.display()
    )]
    Newer {
        /// The table.
        path: PathBuf,
        /// The schema that it has.
        written: String,
        /// The newest schema that can be read.
        known: u32,
        /// The version of titer that wrote it.
        version: String,
    },
    /// It is another table, or was made by an older titer that had other columns.
    #[error(
        "{} has no column {}: it is another table, or was made by an older titer",
        path.display(),
        lacks.join(", ")
    )]
    Columns {
        /// The table.
        path: PathBuf,
        /// The columns that it should have and has not.
        lacks: Vec<&'static str>,
    },
}
