//! The records of a Parquet file as JSON values, nested lists and structures included.

use ::parquet::{errors::ParquetError, file::reader::FileReader as _};
use bytes::Bytes;
use serde_json::Value;

use crate::{caught::caught, parquet_file::open_parquet};

/// What every Parquet file begins with.
pub(super) const MAGIC: &[u8] = b"PAR1";

/// Every record as an object of its columns; the error is what the parquet crate says, or breaks off with.
pub(super) fn records(bytes: Bytes) -> Result<Vec<Value>, String> {
    caught("parquet", || {
        let reader = open_parquet(bytes)?;
        let records = reader.get_row_iter(None)?;
        records.map(|record| Ok(record?.to_json_value())).collect::<Result<_, ParquetError>>()
    })
}
