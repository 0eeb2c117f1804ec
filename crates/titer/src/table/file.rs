//! Writing a table under a temporary name, and reading one back.

use std::{convert::Infallible, path::Path};

use bytes::Bytes;
use parquet::{
    errors::ParquetError,
    file::{metadata::KeyValue, reader::FileReader as _},
};
use titer_data::{caught::caught, parquet_file::open_parquet};

use super::{
    column::Column,
    error::TableError,
    labels::Labels,
    parquet::{Chunks, SCHEMA_KEY, TABLE_KEY, VERSION_KEY, encode},
    record::Record,
    text::{csv, json},
};
use crate::files::write_whole;

/// Writes a table of records, without labels, see [`write_labelled`].
///
/// # Errors
/// Where the file system refuses.
pub fn write<R: Record>(path: &Path, rows: &[R]) -> Result<(), TableError> {
    write_labelled(path, &Labels::default(), rows)
}

/// Writes a table of records, with constant columns in front: first under a temporary name beside `path`, then renamed, so
/// that a file of this name is always whole. Replaces an older one. Equal rows give equal bytes. What ends in `.csv` or `.json` is written as
/// that, all else as Parquet.
///
/// # Errors
/// Where the file system refuses.
pub fn write_labelled<R: Record>(path: &Path, labels: &Labels, rows: &[R]) -> Result<(), TableError> {
    let columns = columns(labels, rows);
    let bytes = match path.extension().and_then(|ending| ending.to_str()) {
        Some("csv") => csv(&columns).into_bytes(),
        Some("json") => json(&columns).into_bytes(),
        _ => encode(name::<R>(), R::SCHEMA, columns)
            .map_err(|source| TableError::Parquet { path: path.to_owned(), source })?,
    };
    Ok(write_whole(path, &bytes)?)
}

/// A table of records as columns, the constant ones in front.
pub fn columns<R: Record>(labels: &Labels, rows: &[R]) -> Vec<Column> {
    let fields = R::FIELDS.iter().zip(R::values(rows));
    labels.with(fields.map(|(field, values)| Column::of(field, values)).collect())
}

/// Reads a whole table, in the order in which it was written. Columns that the record does not have are ignored.
///
/// # Errors
/// Where there is no such file, it is no Parquet file, another table, of a newer schema, or lacks a column.
pub fn read<R: Record>(path: &Path) -> Result<Vec<R>, TableError> {
    parse(path, fs_err::read(path)?.into())
}

/// The same of a file whose bytes have been read; errors name it by `path`.
///
/// # Errors
/// As [`read`].
pub fn parse<R: Record>(path: &Path, bytes: Bytes) -> Result<Vec<R>, TableError> {
    // On some damaged pages the library panics.
    let rows = caught("parquet", || Ok::<_, Infallible>(rows(path, bytes)));
    rows.unwrap_or_else(|problem| {
        Err(TableError::Parquet { path: path.to_owned(), source: ParquetError::General(problem) })
    })
}

fn rows<R: Record>(path: &Path, bytes: Bytes) -> Result<Vec<R>, TableError> {
    let damaged = |source| TableError::Parquet { path: path.to_owned(), source };
    let reader = open_parquet(bytes).map_err(damaged)?;
    let file = reader.metadata().file_metadata();
    let said = |key: &str| said(file.key_value_metadata(), key);
    let wanted = name::<R>();
    if let Some(written) = said(TABLE_KEY).filter(|written| written != wanted) {
        return Err(TableError::Another { path: path.to_owned(), written, wanted });
    }
    // Tables of before schemas were written are of the first.
    let schema = said(SCHEMA_KEY).unwrap_or_else(|| "1".to_owned());
    if !schema.parse::<u32>().is_ok_and(|schema| schema <= R::SCHEMA) {
        let version = said(VERSION_KEY).unwrap_or_else(|| "of unknown version".to_owned());
        return Err(TableError::Newer { path: path.to_owned(), written: schema, known: R::SCHEMA, version });
    }
    let columns: Vec<&str> = file.schema().get_fields().iter().map(|field| field.name()).collect();
    let place = |name: &str| columns.iter().position(|column| *column == name);
    let places = R::FIELDS.iter().map(|field| {
        let names = [&field.name].into_iter().chain(field.formerly);
        names.into_iter().find_map(|name| place(name)).ok_or(field.name)
    });
    let (present, lacks): (Vec<_>, Vec<_>) = places.partition(Result::is_ok);
    if !lacks.is_empty() {
        let lacks = lacks.into_iter().filter_map(Result::err).collect();
        return Err(TableError::Columns { path: path.to_owned(), lacks });
    }
    let present: Vec<usize> = present.into_iter().flatten().collect();
    let mut rows = Vec::new();
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).map_err(damaged)?;
        rows.extend(R::take(&mut Chunks::new(group.as_ref(), &present)).map_err(damaged)?);
    }
    Ok(rows)
}

/// The name of a record's table.
fn name<R: Record>() -> &'static str {
    R::FILE.trim_end_matches(".parquet")
}

/// What a file's metadata says under a key.
pub(super) fn said(metadata: Option<&Vec<KeyValue>>, key: &str) -> Option<String> {
    metadata?.iter().find(|pair| pair.key == key)?.value.clone()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use titer_data::{
        cell::Cell,
        probe::{Component, ProbePrompts},
        world::DomainSplit,
    };

    use super::*;
    use crate::table::{CellRecord, ProbeRecord, StepRecord, Values};

    fn step(step: i64) -> StepRecord {
        StepRecord { stage: "train".to_owned(), step, loss: 0.5, lr: 1e-4, gradient_norm: 2.0, clip: 0.5, tokens: 9 }
    }

    #[test]
    fn a_files_ending_says_how_it_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let written = |name: &str| {
            let path = dir.path().join(name);
            write(&path, &[step(1), step(2)]).unwrap();
            fs_err::read(path).unwrap()
        };
        let csv = String::from_utf8(written("steps.csv")).unwrap();
        assert!(csv.starts_with("stage,step,loss,lr,") && csv.lines().count() == 3, "{csv}");
        let rows: Vec<serde_json::Value> = serde_json::from_slice(&written("steps.json")).unwrap();
        assert_eq!((rows.len(), &rows[1]["step"]), (2, &2.into()));
        assert!(written("steps.parquet").starts_with(b"PAR1") && written("steps").starts_with(b"PAR1"));
    }

    fn cells() -> impl Strategy<Value = Vec<CellRecord>> {
        let cell = prop::sample::select(Cell::all().collect::<Vec<_>>());
        let row = (any::<i64>(), "[a-z→ ]{0,9}", cell, any::<i64>(), any::<f64>());
        prop::collection::vec(row, 0..40).prop_map(|rows| {
            let record = |(step, item, cell, tokens, surprise)| CellRecord {
                stage: "train".to_owned(),
                step,
                item,
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
            component: Component::Good,
            prompts: ProbePrompts::Seen,
            domains: DomainSplit::Trained,
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
        assert!(message.contains("t.parquet is the table `steps`, not `cells`"), "{message}");
        let bytes = fs_err::read(&path).unwrap();
        fs_err::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let message = read::<StepRecord>(&path).unwrap_err().to_string();
        assert!(message.contains("t.parquet is not a readable table"), "{message}");
        let missing = read::<StepRecord>(&folder.path().join("none.parquet")).unwrap_err();
        assert!(missing.to_string().contains("none.parquet"));
    }

    #[test]
    fn a_name_of_an_older_schema_is_read_and_a_newer_schema_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        let written = |schema: u32, name: &str| {
            let mut columns: Vec<Column> = StepRecord::FIELDS
                .iter()
                .zip(StepRecord::values(&[step(1)]))
                .map(|(field, values)| Column::of(field, values))
                .collect();
            let norm = columns.iter_mut().find(|column| column.name == "gradient_norm").unwrap();
            norm.name = name.to_owned();
            write_whole(&path, &encode("steps", schema, columns).unwrap()).unwrap();
            read::<StepRecord>(&path)
        };
        assert_eq!(written(1, "grad_norm").unwrap(), [step(1)]);
        assert_eq!(written(2, "gradient_norm").unwrap(), [step(1)]);
        let message = written(3, "gradient_norm").unwrap_err().to_string();
        assert!(message.contains("t.parquet has schema 3, and this titer reads up to 2"), "{message}");
        let message = written(2, "norm").unwrap_err().to_string();
        assert!(message.contains("has no column gradient_norm"), "{message}");
    }

    #[test]
    fn columns_that_may_have_nulls_are_read_where_they_have_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        let rows: Vec<_> = (0..3).map(step).collect();
        // As other programs write it again: every column nullable, what titer said of the table lost.
        let written = |null: Option<usize>, number: Option<usize>| {
            let mut columns = columns(&Labels::default(), &rows);
            for column in &mut columns {
                column.values = match std::mem::replace(&mut column.values, Values::Flag(Vec::new())) {
                    Values::Number(values) => Values::NumberIfAny(
                        values
                            .into_iter()
                            .enumerate()
                            .map(|(at, value)| (Some(at) != number).then_some(value))
                            .collect(),
                    ),
                    Values::Text(values) => Values::TextIfAny(
                        values.into_iter().enumerate().map(|(at, text)| (Some(at) != null).then_some(text)).collect(),
                    ),
                    other => other,
                };
            }
            write_whole(&path, &encode("steps", StepRecord::SCHEMA, columns).unwrap()).unwrap();
            read::<StepRecord>(&path)
        };
        assert_eq!(written(None, None).unwrap(), rows);
        let losses: Vec<f64> = written(None, Some(1)).unwrap().iter().map(|row| row.loss).collect();
        assert!(losses[0] == 0.5 && losses[1].is_nan() && losses[2] == 0.5, "{losses:?}");
        let message = written(Some(1), None).unwrap_err().to_string();
        assert!(message.contains("the column `stage` has no value in 1 of 3 rows"), "{message}");
    }

    #[test]
    fn every_column_of_numbers_has_a_unit_and_every_column_a_description() {
        fn check<R: Record>() {
            for (field, values) in R::FIELDS.iter().zip(R::values(&[])) {
                assert_eq!(field.unit.is_empty(), matches!(values, Values::Text(_)), "{}: {}", R::FILE, field.name);
                assert!(field.description.len() > 5, "{}: {}", R::FILE, field.name);
            }
        }
        use crate::table as t;
        let checks: [fn(); 10] = [
            check::<t::ProbeRecord>,
            check::<t::CellRecord>,
            check::<t::LeakRecord>,
            check::<t::ScreenRecord>,
            check::<t::WarningRecord>,
            check::<t::StepRecord>,
            check::<t::GuardRecord>,
            check::<t::PressureRecord>,
            check::<t::LedgerRecord>,
            check::<t::VerifyRecord>,
        ];
        checks.into_iter().for_each(|check| check());
    }
}
