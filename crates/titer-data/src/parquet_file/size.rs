//! How much a Parquet file claims to hold, compared with its size before any of it is unpacked.
//!
//! A page says how many values it has, and repeats of one value take no room: a file of two kilobytes can ask for twenty gigabytes.

use parquet::{
    errors::{ParquetError, Result},
    file::reader::{ChunkReader, FileReader, SerializedFileReader},
};

/// Values of one column for each byte of the file, at most. Rows that differ in anything take at least some bits each.
const PER_BYTE: u64 = 64;

/// Values of one column that any file may claim: what repeats in a regular way takes no room when it is compressed, and so many fill no memory.
const ALWAYS: u64 = 1 << 20;

/// Checks that no column claims to hold more values than a file of so many bytes can mean.
///
/// # Errors
/// Where one does, or its pages cannot be read.
pub(super) fn check_size<R: ChunkReader + 'static>(reader: &SerializedFileReader<R>, bytes: u64) -> Result<()> {
    let most = bytes.saturating_mul(PER_BYTE).max(ALWAYS);
    let mut held = vec![0; reader.metadata().file_metadata().schema_descr().num_columns()];
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group)?;
        let rows = group.metadata().num_rows();
        if u64::try_from(rows).is_ok_and(|rows| rows > most) {
            return Err(too_many(rows, bytes));
        }
        for (column, held) in held.iter_mut().enumerate() {
            let mut pages = group.get_column_page_reader(column)?;
            while let Some(page) = pages.peek_next_page()? {
                if !page.is_dict {
                    *held += page.num_levels.or(page.num_rows).unwrap_or(0) as u64;
                }
                if *held > most {
                    return Err(too_many(*held, bytes));
                }
                pages.skip_next_page()?;
            }
        }
    }
    Ok(())
}

fn too_many(values: impl std::fmt::Display, bytes: u64) -> ParquetError {
    ParquetError::General(format!(
        "a column claims to hold {values} values in a file of {bytes} bytes: the file is damaged, or made to fill the memory"
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use parquet::{
        data_type::Int64Type,
        file::{properties::WriterProperties, writer::SerializedFileWriter},
        schema::parser::parse_message_type,
    };

    use super::*;

    /// A file of one column with this value so many times.
    fn repeated(times: usize) -> Bytes {
        let schema = Arc::new(parse_message_type("message rows { required int64 number; }").unwrap());
        let mut writer =
            SerializedFileWriter::new(Vec::new(), schema, Arc::new(WriterProperties::builder().build())).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&vec![7; times], None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        writer.into_inner().unwrap().into()
    }

    #[test]
    fn repeats_that_take_no_room_are_counted_before_they_are_unpacked() {
        let check = |bytes: Bytes| {
            let size = bytes.len() as u64;
            check_size(&SerializedFileReader::new(bytes).unwrap(), size)
        };
        check(repeated(10_000)).unwrap();
        check(repeated(1_000_000)).unwrap();
        let error = check(repeated(10_000_000)).unwrap_err().to_string();
        assert!(error.contains("claims to hold 10000000 values in a file of"), "{error}");
    }
}
