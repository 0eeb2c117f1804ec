//! Writing a table under a temporary name, and reading one back.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use parquet::{
    basic::Compression,
    errors::{ParquetError, Result as ParquetResult},
    file::{
        properties::WriterProperties,
        reader::{FileReader, SerializedFileReader},
        writer::SerializedFileWriter,
    },
    schema::types::{Type, TypePtr},
};

use super::column::{Chunks, Columns};

/// A row of a table. Implemented by the record types of this module only.
pub trait Record: Sized {
    /// The table's file name within a run folder.
    const FILE: &'static str;

    /// The schema's columns, from left to right.
    #[doc(hidden)]
    fn fields() -> Vec<TypePtr>;
    #[doc(hidden)]
    fn put(rows: &[Self], columns: &mut Columns<'_>) -> ParquetResult<()>;
    #[doc(hidden)]
    fn take(columns: &mut Chunks<'_>) -> ParquetResult<Vec<Self>>;
}

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
    /// The file is Parquet, but another table or another version of it.
    #[error("{} has the columns {found}, but this version of titer reads {expected}", path.display())]
    Columns {
        /// The table.
        path: PathBuf,
        /// The names of the columns that it has.
        found: String,
        /// The names of the columns that it should have.
        expected: String,
    },
}

/// Writes a table: first under a temporary name beside `path`, then renamed, so that a file of this name is always
/// whole. Replaces an older one. Equal rows give equal bytes.
///
/// # Errors
/// Where the file system refuses.
pub fn write<R: Record>(path: &Path, rows: &[R]) -> Result<(), TableError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let mut file = fs_err::File::create(&temporary)?;
    fill(&mut file, rows).map_err(|source| TableError::Parquet { path: path.to_owned(), source })?;
    file.sync_all()?;
    drop(file);
    Ok(fs_err::rename(&temporary, path)?)
}

/// Reads a whole table, in the order in which it was written.
///
/// # Errors
/// Where there is no such file, it is no Parquet file, or it has other columns.
pub fn read<R: Record>(path: &Path) -> Result<Vec<R>, TableError> {
    let damaged = |source| TableError::Parquet { path: path.to_owned(), source };
    let reader = SerializedFileReader::new(fs_err::File::open(path)?.into_parts().0).map_err(damaged)?;
    let names = |fields: &[TypePtr]| fields.iter().map(|field| field.name()).collect::<Vec<_>>().join(", ");
    let (found, expected) = (reader.metadata().file_metadata().schema().get_fields(), R::fields());
    if names(found) != names(&expected) {
        return Err(TableError::Columns { path: path.to_owned(), found: names(found), expected: names(&expected) });
    }
    let mut rows = Vec::new();
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).map_err(damaged)?;
        rows.extend(R::take(&mut Chunks::new(group.as_ref())).map_err(damaged)?);
    }
    Ok(rows)
}

fn fill<R: Record>(file: &mut fs_err::File, rows: &[R]) -> ParquetResult<()> {
    let schema = Arc::new(Type::group_type_builder("table").with_fields(R::fields()).build()?);
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by(concat!("titer ", env!("CARGO_PKG_VERSION")).to_owned())
        .build();
    // The writer wants to own its file; a second handle leaves the caller one to sync.
    let (std_file, path) = file.try_clone()?.into_parts();
    let mut writer = SerializedFileWriter::new(fs_err::File::from_parts(std_file, path), schema, Arc::new(properties))?;
    let mut columns = Columns::new(writer.next_row_group()?);
    R::put(rows, &mut columns)?;
    columns.close()?;
    writer.close().map(|_| ())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::table::{CellRecord, ProbeRecord, StepRecord};

    fn step(step: i64) -> StepRecord {
        StepRecord { stage: "train".to_owned(), step, loss: 0.5, lr: 1e-4, grad_norm: 2.0, clip: 0.5, tokens: 9 }
    }

    fn cells() -> impl Strategy<Value = Vec<CellRecord>> {
        let row = (any::<i64>(), "[a-z→ ]{0,9}", any::<i64>(), any::<f64>());
        prop::collection::vec(row, 0..40).prop_map(|rows| {
            let record = |(step, cell, tokens, surprise)| CellRecord {
                stage: "train".to_owned(),
                step,
                item: format!("{step:04}"),
                cell,
                tokens,
                surprise,
            };
            rows.into_iter().map(record).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn rows_come_back_as_they_went(rows in cells()) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(CellRecord::FILE);
            write(&path, &rows).unwrap();
            prop_assert_eq!(read::<CellRecord>(&path).unwrap(), rows);
        }
    }

    #[test]
    fn what_is_not_a_number_comes_back_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(ProbeRecord::FILE);
        let row = ProbeRecord {
            stage: "train".to_owned(),
            step: 0,
            component: "good".to_owned(),
            prompts: "seen".to_owned(),
            domains: "trained".to_owned(),
            item: "0000".to_owned(),
            margin: f64::NEG_INFINITY,
            margin_per_token: -1.0,
            gap: f64::NAN,
            rate: 0.25,
            other: 1e-9,
        };
        write(&path, std::slice::from_ref(&row)).unwrap();
        let back = read::<ProbeRecord>(&path).unwrap();
        assert_eq!(format!("{back:?}"), format!("[{row:?}]"));
    }

    #[test]
    fn equal_rows_give_equal_bytes_and_leave_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        let rows: Vec<_> = (0..2000).map(step).collect();
        write(&one, &rows).unwrap();
        write(&two, &rows).unwrap();
        assert_eq!(fs_err::read(&one).unwrap(), fs_err::read(&two).unwrap());
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn another_table_and_a_damaged_one_are_named_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        write(&path, &[step(1)]).unwrap();
        let message = read::<CellRecord>(&path).unwrap_err().to_string();
        assert!(message.contains("t.parquet has the columns stage, step, loss"), "{message}");
        let bytes = fs_err::read(&path).unwrap();
        fs_err::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let message = read::<StepRecord>(&path).unwrap_err().to_string();
        assert!(message.contains("t.parquet is not a readable table"), "{message}");
        let missing = read::<StepRecord>(&folder.path().join("none.parquet")).unwrap_err();
        assert!(missing.to_string().contains("none.parquet"));
    }
}
