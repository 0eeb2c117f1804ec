//! How a Rust value becomes a Parquet column: required, never null, without nesting.

use std::sync::Arc;

use parquet::{
    basic::{LogicalType, Repetition, Type as Physical},
    column::reader::get_typed_column_reader,
    data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type},
    errors::{ParquetError, Result},
    file::{reader::RowGroupReader, writer::SerializedRowGroupWriter},
    schema::types::{Type, TypePtr},
};

/// A Rust value that is a cell of a column.
pub trait Value: Sized {
    /// The Parquet type behind it.
    type Kind: DataType;
    /// What text columns are marked as.
    const LOGICAL: Option<LogicalType>;

    /// The value as Parquet stores it.
    fn store(&self) -> <Self::Kind as DataType>::T;
    /// The value from what Parquet stores; fails on text that is not UTF-8.
    fn load(stored: <Self::Kind as DataType>::T) -> Result<Self>;

    /// The schema of a column of this name.
    fn field(name: &str) -> TypePtr {
        let column = Type::primitive_type_builder(name, <Self::Kind as DataType>::get_physical_type())
            .with_repetition(Repetition::REQUIRED)
            .with_logical_type(Self::LOGICAL)
            .build();
        Arc::new(column.expect("a required column of a plain type is a valid schema"))
    }
}

impl Value for f64 {
    type Kind = DoubleType;
    const LOGICAL: Option<LogicalType> = None;

    fn store(&self) -> f64 {
        *self
    }

    fn load(stored: f64) -> Result<Self> {
        Ok(stored)
    }
}

impl Value for i64 {
    type Kind = Int64Type;
    const LOGICAL: Option<LogicalType> = None;

    fn store(&self) -> i64 {
        *self
    }

    fn load(stored: i64) -> Result<Self> {
        Ok(stored)
    }
}

impl Value for String {
    type Kind = ByteArrayType;
    const LOGICAL: Option<LogicalType> = Some(LogicalType::String);

    fn store(&self) -> ByteArray {
        self.as_str().into()
    }

    fn load(stored: ByteArray) -> Result<Self> {
        Ok(stored.as_utf8()?.to_owned())
    }
}

/// The columns of a table being written, from left to right.
pub struct Columns<'a> {
    group: SerializedRowGroupWriter<'a, fs_err::File>,
}

impl<'a> Columns<'a> {
    /// The columns of one row group.
    pub fn new(group: SerializedRowGroupWriter<'a, fs_err::File>) -> Self {
        Self { group }
    }

    /// Writes the next column.
    pub fn put<'v, V: Value + 'v>(&mut self, values: impl Iterator<Item = &'v V>) -> Result<()> {
        let stored: Vec<_> = values.map(Value::store).collect();
        let mut column = self.group.next_column()?.ok_or_else(|| past_the_last("write"))?;
        column.typed::<V::Kind>().write_batch(&stored, None, None)?;
        column.close()
    }

    /// Ends the row group.
    pub fn close(self) -> Result<()> {
        self.group.close().map(|_| ())
    }
}

/// The columns of a table being read, from left to right.
pub struct Chunks<'a> {
    group: &'a dyn RowGroupReader,
    next: usize,
}

impl<'a> Chunks<'a> {
    /// The columns of one row group.
    pub fn new(group: &'a dyn RowGroupReader) -> Self {
        Self { group, next: 0 }
    }

    /// Reads the next column.
    pub fn take<V: Value>(&mut self) -> Result<Vec<V>> {
        let physical: Physical = self.group.metadata().column(self.next).column_type();
        if physical != <V::Kind as DataType>::get_physical_type() {
            return Err(ParquetError::General(format!("column {} holds {physical}", self.next + 1)));
        }
        let rows = usize::try_from(self.group.metadata().num_rows()).map_err(|_| past_the_last("read"))?;
        let mut reader = get_typed_column_reader::<V::Kind>(self.group.get_column_reader(self.next)?);
        self.next += 1;
        let mut stored = Vec::with_capacity(rows);
        while stored.len() < rows {
            let (records, _, _) = reader.read_records(rows - stored.len(), None, None, &mut stored)?;
            if records == 0 {
                return Err(ParquetError::EOF(format!("{} of {rows} rows are there", stored.len())));
            }
        }
        stored.into_iter().map(V::load).collect()
    }
}

fn past_the_last(doing: &str) -> ParquetError {
    ParquetError::General(format!("no column is left to {doing}"))
}
