//! A Parquet file opened: its headers read, its claims compared with its size.

use bytes::Bytes;
use parquet::{
    errors::Result,
    file::{reader::FileReader, serialized_reader::SerializedFileReader},
};

use super::{headers::CheckedBytes, size::check_size};

/// A reader of the file that these bytes are. Pages are unpacked as they are asked for.
///
/// # Errors
/// Where they are no Parquet file, a header is damaged, or more values are claimed than such a file can mean.
pub fn open_parquet(bytes: Bytes) -> Result<impl FileReader> {
    let size = bytes.len() as u64;
    let reader = SerializedFileReader::new(CheckedBytes::new(bytes)?)?;
    check_size(&reader, size)?;
    Ok(reader)
}
