//! The records of a Parquet file as JSON values, nested lists and structures included.

use ::parquet::{errors::ParquetError, file::reader::FileReader as _, record::Field, schema::types::Type};
use bytes::Bytes;
use serde_json::{Map, Value};

use super::{
    entry::{columns_of_one_name, named_twice},
    problem::{Problem, problem},
};
use crate::{caught::caught, parquet_file::open_parquet};

/// What every Parquet file begins with.
pub(super) const MAGIC: &[u8] = b"PAR1";

/// Every record as an object of its columns, or what is wrong with it; the error is what the parquet crate says, or breaks off with.
pub(super) fn records(bytes: Bytes) -> Result<Vec<Result<Value, Problem>>, String> {
    caught("parquet", || {
        let reader = open_parquet(bytes)?;
        if let Some(name) = name_twice(reader.metadata().file_metadata().schema()) {
            return Ok(vec![Err(columns_of_one_name(&name))]);
        }
        let record = |record: Result<::parquet::record::Row, ParquetError>| {
            let record = record?;
            Ok(object(record.get_column_iter().map(|(name, field)| (name.clone(), field)), ""))
        };
        reader.get_row_iter(None)?.map(record).collect::<Result<_, ParquetError>>()
    })
}

/// A name that two columns of the file or of a structure in it have: a record would hold the last alone.
fn name_twice(schema: &Type) -> Option<String> {
    if !schema.is_group() {
        return None;
    }
    let fields = schema.get_fields();
    let twice = named_twice(fields.iter().map(|field| field.name())).map(str::to_owned);
    twice.or_else(|| fields.iter().find_map(|field| name_twice(field)))
}

/// Named values under a column; `""` for the record itself.
fn object<'a>(fields: impl Iterator<Item = (String, &'a Field)>, column: &str) -> Result<Value, Problem> {
    let place = |name: &str| if column.is_empty() { name.to_owned() } else { format!("{column}.{name}") };
    let named = fields.map(|(name, field)| {
        let value = value(field, &place(&name))?;
        Ok((name, value))
    });
    named.collect::<Result<Map<_, _>, _>>().map(Value::Object)
}

/// What stands in a column. The crate writes bytes as base64, and infinities as nothing.
fn value(field: &Field, column: &str) -> Result<Value, Problem> {
    let infinite =
        |written: f64| problem(format!("`{column}` is {written}"), "write a finite number, or leave the value out");
    match field {
        Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => Ok(Value::from(text)),
            Err(error) => {
                let at = error.valid_up_to() + 1;
                problem(
                    format!("`{column}` is no text, but bytes that are not UTF-8 from byte {at} on"),
                    "save the column as text, or leave it out",
                )
            }
        },
        Field::Float16(number) if f64::from(*number).is_infinite() => infinite(f64::from(*number)),
        Field::Float(number) if number.is_infinite() => infinite(f64::from(*number)),
        Field::Double(number) if number.is_infinite() => infinite(*number),
        Field::Group(row) => object(row.get_column_iter().map(|(name, field)| (name.clone(), field)), column),
        Field::ListInternal(list) => list.elements().iter().map(|field| value(field, column)).collect(),
        Field::MapInternal(map) => {
            let entries = map.entries().iter().map(|(key, value_of)| {
                let key = value(key, column)?;
                Ok((key.as_str().map_or_else(|| key.to_string(), str::to_owned), value(value_of, column)?))
            });
            entries.collect::<Result<Map<_, _>, _>>().map(Value::Object)
        }
        plain => Ok(plain.to_json_value()),
    }
}
