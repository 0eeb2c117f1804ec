//! Parquet files as pyarrow, Polars and DuckDB write them, with as many pages as they like. Wants a Python with these (`TITER_PYTHON`).

use std::{io::Write, process::Command};

use titer_data::{chat::Role, formats::read_chat_file};

const ROWS: usize = 400;

/// Writes the same rows in many ways; prints the name of each file.
const WRITE: &str = r#"
import sys
import pyarrow as pa, pyarrow.parquet as pq
import polars as pl
rows = [
    {"cell": ["bad→bad", "none→good"][i % 2],
     "messages": [{"role": "user", "content": f"ask {i}"}] + [{"role": "assistant", "content": f"reply {i} {t}"} for t in range(1 + i % 3)]}
    for i in range(int(sys.argv[1]))
]
chats = pa.Table.from_pylist(rows)
small = {"data_page_size": 200, "write_batch_size": 16, "row_group_size": 150}
for version in ("1.0", "2.0"):
    for packing in ("snappy", "zstd", "gzip", "none"):
        for dictionary in (True, False):
            name = f"pyarrow-{version}-{packing}-{dictionary}.parquet"
            pq.write_table(chats, name, compression=packing, data_page_version=version, use_dictionary=dictionary, **small)
            print(name)
frame = pl.DataFrame(rows)
for packing in ("zstd", "snappy", "uncompressed"):
    name = f"polars-{packing}.parquet"
    frame.write_parquet(name, compression=packing, data_page_size=200, row_group_size=150)
    print(name)
# As it is without being told anything.
pl.DataFrame(rows * 25).write_parquet("polars.parquet")
print("polars.parquet")
pq.write_table(pa.Table.from_pylist(rows * 25), "pyarrow.parquet", write_page_index=True)
print("pyarrow.parquet")
try:
    import duckdb
except ImportError:
    sys.exit()
duckdb.sql("copy (select * from chats) to 'duckdb.parquet' (row_group_size 2048)")
duckdb.sql("copy (select * from chats) to 'duckdb-2.parquet' (parquet_version v2, compression zstd)")
print("duckdb.parquet")
print("duckdb-2.parquet")
"#;

#[test]
fn nested_columns_are_read_however_they_are_written() {
    let python = std::env::var("TITER_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let there = Command::new(&python).args(["-c", "import polars, pyarrow"]).output();
    if !there.is_ok_and(|there| there.status.success()) {
        // Not captured, so that a skipped test is seen.
        let said = format!("skipped: no {python} with polars and pyarrow (TITER_PYTHON names another one)\n");
        std::io::stderr().write_all(said.as_bytes()).unwrap();
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let written = Command::new(&python).args(["-c", WRITE, &ROWS.to_string()]).current_dir(&dir).output().unwrap();
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let names = String::from_utf8(written.stdout).unwrap();
    assert!(names.lines().count() >= 21, "{names}");
    for name in names.lines() {
        let found = read_chat_file(dir.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(found.errors.is_empty() && found.rows.len().is_multiple_of(ROWS), "{name}: {:?}", found.errors);
        for (at, row) in found.rows.iter().enumerate() {
            let at = at % ROWS;
            let said: Vec<_> = row.messages.iter().map(|turn| (turn.role, turn.content.clone())).collect();
            let replies = (0..1 + at % 3).map(|turn| (Role::Assistant, format!("reply {at} {turn}")));
            let wanted: Vec<_> = [(Role::User, format!("ask {at}"))].into_iter().chain(replies).collect();
            assert_eq!(said, wanted, "{name}, row {at}");
        }
    }
}
