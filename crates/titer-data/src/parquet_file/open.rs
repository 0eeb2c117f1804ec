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
    let (bytes, pages) = CheckedBytes::new(bytes)?;
    let reader = SerializedFileReader::new(bytes)?;
    check_size(&reader, size)?;
    pages.all_walked();
    Ok(reader)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::{
        basic::{Compression, ZstdLevel},
        data_type::{ByteArray, ByteArrayType},
        file::{
            properties::{WriterProperties, WriterVersion},
            writer::SerializedFileWriter,
        },
        schema::parser::parse_message_type,
    };

    use super::*;

    /// Lists of turns, as pyarrow writes them.
    const LISTS: &str = "message rows {
        required binary cell (UTF8);
        required group messages (LIST) {
            repeated group list { required group element { required binary role (UTF8); optional binary content (UTF8); } }
        }
    }";

    const GROUPS: usize = 3;
    const ROWS: usize = 40;

    /// What stands in a row's turn.
    fn said(row: usize, turn: usize) -> Option<String> {
        (!(row + turn).is_multiple_of(5)).then(|| format!("{row} says {turn}, {}", "and so on ".repeat(row % 4)))
    }

    /// Rows of one to three turns in several row groups, a page for every few values.
    fn nested(properties: WriterProperties) -> Bytes {
        let schema = Arc::new(parse_message_type(LISTS).unwrap());
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
        let text = |text: &str| ByteArray::from(text);
        for group in 0..GROUPS {
            let rows = || group * ROWS..(group + 1) * ROWS;
            let turns = || rows().flat_map(|row| (0..1 + row % 3).map(move |turn| (row, turn)));
            let repeats: Vec<i16> = turns().map(|(_, turn)| i16::from(turn > 0)).collect();
            let mut columns = writer.next_row_group().unwrap();
            for column in 0..3 {
                let mut column_writer = columns.next_column().unwrap().unwrap();
                let typed = column_writer.typed::<ByteArrayType>();
                match column {
                    0 => {
                        let cells: Vec<_> = rows().map(|row| text(["bad→bad", "none→good"][row % 2])).collect();
                        typed.write_batch(&cells, None, None).unwrap()
                    }
                    1 => {
                        let roles: Vec<_> = turns().map(|(_, turn)| text(["user", "assistant"][turn % 2])).collect();
                        typed.write_batch(&roles, Some(&vec![1; roles.len()]), Some(&repeats)).unwrap()
                    }
                    _ => {
                        let all = || turns().map(|(row, turn)| said(row, turn));
                        let levels: Vec<i16> = all().map(|said| 1 + i16::from(said.is_some())).collect();
                        let values: Vec<_> = all().flatten().map(|said| text(&said)).collect();
                        typed.write_batch(&values, Some(&levels), Some(&repeats)).unwrap()
                    }
                };
                column_writer.close().unwrap();
            }
            columns.close().unwrap();
        }
        writer.into_inner().unwrap().into()
    }

    /// However many pages a column has, in whichever version, packing and encoding, and whether lists of values are behind it or not.
    #[test]
    fn nested_columns_of_several_pages_are_read() {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            for packing in [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(ZstdLevel::default())] {
                for dictionary in [true, false] {
                    let properties = WriterProperties::builder()
                        .set_writer_version(version)
                        .set_compression(packing)
                        .set_dictionary_enabled(dictionary)
                        .set_data_page_row_count_limit(4)
                        .set_write_batch_size(4)
                        .build();
                    let what = format!("{version:?}, {packing:?}, dictionary {dictionary}");
                    let reader = open_parquet(nested(properties)).unwrap_or_else(|error| panic!("{what}: {error}"));
                    let rows = reader.get_row_iter(None).unwrap();
                    let rows: Vec<_> = rows.map(|row| row.unwrap_or_else(|error| panic!("{what}: {error}"))).collect();
                    assert_eq!(rows.len(), GROUPS * ROWS, "{what}");
                    for (at, row) in rows.iter().enumerate() {
                        let row = row.to_json_value();
                        let turns = row["messages"].as_array().unwrap();
                        let said_there: Vec<_> = turns.iter().map(|turn| turn["content"].as_str()).collect();
                        let wanted: Vec<_> = (0..1 + at % 3).map(|turn| said(at, turn)).collect();
                        let wanted: Vec<_> = wanted.iter().map(|said| said.as_deref()).collect();
                        assert_eq!(said_there, wanted, "{what}, row {at}");
                    }
                }
            }
        }
    }
}
