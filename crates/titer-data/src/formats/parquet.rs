//! The records of a Parquet file as JSON values, nested lists and structures included.

use ::parquet::file::reader::{FileReader as _, SerializedFileReader};
use bytes::Bytes;
use serde_json::Value;

/// What every Parquet file begins with.
pub(super) const MAGIC: &[u8] = b"PAR1";

/// Every record as an object of its columns; the error is what the parquet crate says.
pub(super) fn records(bytes: Bytes) -> Result<Vec<Value>, String> {
    let reader = SerializedFileReader::new(bytes).map_err(|error| error.to_string())?;
    let records = reader.get_row_iter(None).map_err(|error| error.to_string())?;
    records.map(|record| Ok(record.map_err(|error| error.to_string())?.to_json_value())).collect()
}
