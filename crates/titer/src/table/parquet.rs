//! Columns as Parquet: required or nullable, without nesting, with units and descriptions in the file's metadata.

use std::sync::Arc;

use parquet::{
    basic::{Compression, LogicalType, Repetition, Type as Physical},
    column::reader::get_typed_column_reader,
    data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type},
    errors::{ParquetError, Result},
    file::{
        metadata::KeyValue,
        properties::WriterProperties,
        reader::RowGroupReader,
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::types::{Type, TypePtr},
};
use serde_json::{Map, Value as Json, json};

use super::{
    column::{Column, Values},
    value::Value,
};

/// The version of titer that wrote a table.
pub(super) const VERSION_KEY: &str = "titer.version";
/// Which table it is.
pub(super) const TABLE_KEY: &str = "titer.table";
/// The version of its columns' names and meanings.
pub(super) const SCHEMA_KEY: &str = "titer.schema";
/// A JSON object: for every column, in order, its `unit` and `description`.
pub(super) const COLUMNS_KEY: &str = "titer.columns";

/// A table as the bytes of a Parquet file. Equal tables give equal bytes.
pub fn encode(table: &str, schema: u32, columns: Vec<Column>) -> Result<Vec<u8>> {
    let fields = columns.iter().map(field).collect::<Result<Vec<_>>>()?;
    let root = Arc::new(Type::group_type_builder("table").with_fields(fields).build()?);
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by(concat!("titer ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(metadata(table, schema, &columns)))
        .build();
    let mut writer = SerializedFileWriter::new(Vec::new(), root, Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    for column in columns {
        put(&mut group, column.values)?;
    }
    group.close()?;
    writer.into_inner()
}

fn metadata(table: &str, schema: u32, columns: &[Column]) -> Vec<KeyValue> {
    let about = |column: &Column| {
        let about = json!({ "unit": column.unit, "description": column.description });
        (column.name.clone(), about)
    };
    let columns = Json::Object(columns.iter().map(about).collect::<Map<_, _>>());
    let pairs = [
        (VERSION_KEY, env!("CARGO_PKG_VERSION").to_owned()),
        (TABLE_KEY, table.to_owned()),
        (SCHEMA_KEY, schema.to_string()),
        (COLUMNS_KEY, columns.to_string()),
    ];
    pairs.map(|(key, value)| KeyValue::new(key.to_owned(), value)).into()
}

fn field(column: &Column) -> Result<TypePtr> {
    let (physical, repetition) = match &column.values {
        Values::Number(_) => (Physical::DOUBLE, Repetition::REQUIRED),
        Values::Whole(_) => (Physical::INT64, Repetition::REQUIRED),
        Values::Text(_) => (Physical::BYTE_ARRAY, Repetition::REQUIRED),
        Values::Flag(_) => (Physical::BOOLEAN, Repetition::REQUIRED),
        Values::NumberIfAny(_) => (Physical::DOUBLE, Repetition::OPTIONAL),
        Values::TextIfAny(_) => (Physical::BYTE_ARRAY, Repetition::OPTIONAL),
    };
    let logical = (physical == Physical::BYTE_ARRAY).then_some(LogicalType::String);
    let field = Type::primitive_type_builder(&column.name, physical).with_repetition(repetition);
    Ok(Arc::new(field.with_logical_type(logical).build()?))
}

type Group<'a> = SerializedRowGroupWriter<'a, Vec<u8>>;

fn put(group: &mut Group<'_>, values: Values) -> Result<()> {
    fn bytes(text: String) -> ByteArray {
        text.into_bytes().into()
    }
    match values {
        Values::Number(values) => required::<DoubleType>(group, &values),
        Values::Whole(values) => required::<Int64Type>(group, &values),
        Values::Text(values) => required::<ByteArrayType>(group, &values.into_iter().map(bytes).collect::<Vec<_>>()),
        Values::Flag(values) => required::<BoolType>(group, &values),
        Values::NumberIfAny(values) => nullable::<DoubleType>(group, values),
        Values::TextIfAny(values) => {
            nullable::<ByteArrayType>(group, values.into_iter().map(|text| text.map(bytes)).collect())
        }
    }
}

fn required<K: DataType>(group: &mut Group<'_>, values: &[K::T]) -> Result<()> {
    write::<K>(group, values, None)
}

fn nullable<K: DataType>(group: &mut Group<'_>, values: Vec<Option<K::T>>) -> Result<()> {
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    write::<K>(group, &values.into_iter().flatten().collect::<Vec<_>>(), Some(&levels))
}

/// Writes the next column; where it is nullable, `levels` are 1 for values and 0 for nulls.
fn write<K: DataType>(group: &mut Group<'_>, values: &[K::T], levels: Option<&[i16]>) -> Result<()> {
    let mut column = group.next_column()?.ok_or_else(|| ParquetError::General("no column is left".to_owned()))?;
    column.typed::<K>().write_batch(values, levels, None)?;
    column.close()
}

/// Chosen columns of a row group, one after the other. Other programs write columns that may have nulls: there may be some among numbers alone.
pub struct Chunks<'a> {
    group: &'a dyn RowGroupReader,
    chosen: std::slice::Iter<'a, usize>,
}

impl<'a> Chunks<'a> {
    /// The columns with these places in the file, in this order.
    pub fn new(group: &'a dyn RowGroupReader, chosen: &'a [usize]) -> Self {
        Self { group, chosen: chosen.iter() }
    }

    /// Reads the next column.
    pub fn take<V: Value>(&mut self) -> Result<Vec<V>> {
        let at = *self.chosen.next().ok_or_else(|| ParquetError::General("no column is left to read".to_owned()))?;
        let column = self.group.metadata().column(at);
        let about = column.column_descr();
        let fail = |problem: String| ParquetError::General(format!("the column `{}` {problem}", about.name()));
        if column.column_type() != <V::Kind as DataType>::get_physical_type() {
            return Err(fail(format!("holds {}", column.column_type())));
        }
        let nullable = about.max_def_level() == 1;
        if about.max_rep_level() > 0 || about.max_def_level() > 1 {
            return Err(fail("holds lists or structs".to_owned()));
        }
        let rows = usize::try_from(self.group.metadata().num_rows())
            .map_err(|_| ParquetError::General("the number of rows is negative".to_owned()))?;
        let mut reader = get_typed_column_reader::<V::Kind>(self.group.get_column_reader(at)?);
        let (mut stored, mut levels, mut seen) = (Vec::with_capacity(rows), Vec::new(), 0);
        while seen < rows {
            let (records, ..) = reader.read_records(rows - seen, nullable.then_some(&mut levels), None, &mut stored)?;
            if records == 0 {
                return Err(ParquetError::EOF(format!("{seen} of {rows} rows are there")));
            }
            seen += records;
        }
        let lacking = rows - stored.len();
        let mut values = stored.into_iter().map(V::load);
        if lacking == 0 {
            return values.collect();
        }
        let absent = || V::absent().ok_or_else(|| fail(format!("has no value in {lacking} of {rows} rows")));
        levels.iter().map(|level| if *level == 1 { values.next().unwrap_or_else(absent) } else { absent() }).collect()
    }
}
