//! Files of named values, a line each: CSV with a header, JSON Lines or Parquet, told apart by what is in them.

use std::{io, path::Path};

use serde_json::{Map, Value};

use super::parquet;

/// The values of one line, by column.
pub type Columns = Map<String, Value>;

/// Every line of a file with its number, from 1, or what is wrong with it. A damaged Parquet file is one line that is wrong.
///
/// # Errors
/// Where the file cannot be read.
pub fn read_columns(path: &Path) -> io::Result<Vec<(usize, Result<Columns, String>)>> {
    let bytes = fs_err::read(path)?;
    if !bytes.starts_with(parquet::MAGIC) {
        let text = String::from_utf8(bytes).map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{}: it is neither Parquet nor text in UTF-8", path.display()),
            )
        })?;
        return Ok(columns_of_text(&text));
    }
    let object = |value: Value| match value {
        Value::Object(columns) => Ok(columns),
        other => Err(format!("{other} is no record of columns")),
    };
    Ok(match parquet::records(bytes.into()) {
        Ok(records) => records.into_iter().enumerate().map(|(at, record)| (at + 1, object(record))).collect(),
        Err(problem) => vec![(1, Err(format!("damaged Parquet: {problem}")))],
    })
}

/// The lines of CSV with a header or of JSON Lines; blank lines are passed over.
pub(crate) fn columns_of_text(text: &str) -> Vec<(usize, Result<Columns, String>)> {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with('{') {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let parse = |line: &str| serde_json::from_str(line).map_err(|error| format!("not a JSON object: {error}"));
        return lines.map(|(at, line)| (at + 1, parse(line))).collect();
    }
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader.headers().cloned();
    let record = |record: &csv::Result<csv::StringRecord>| {
        let headers = headers.as_ref().map_err(ToString::to_string)?;
        let record = record.as_ref().map_err(ToString::to_string)?;
        let named = headers.iter().zip(record).map(|(name, value)| (name.to_owned(), Value::from(value)));
        Ok(named.collect())
    };
    let line = |record: &csv::Result<csv::StringRecord>| {
        record.as_ref().ok().and_then(csv::StringRecord::position).map_or(1, |position| position.line() as usize)
    };
    reader.records().map(|read| (line(&read), record(&read))).collect()
}
