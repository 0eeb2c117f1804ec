//! The tables of a run folder: one Parquet file each, written whole, read by anything that reads Parquet.
//!
//! `records` says which columns there are, `record` how a struct becomes some; `labels` are the columns that all rows of a run
//! share; `field` says what a column is, `column` is what any table is made of, `parquet` and `text` the files that it goes into; `file` writes and reads records.
//! Equal rows give equal bytes: nothing in a file depends on when or where it was written.

mod column;
mod error;
mod field;
mod file;
mod labels;
mod parquet;
mod record;
mod records;
mod text;
mod value;

pub use column::{Column, Values};
pub use error::TableError;
pub use field::Field;
pub use file::{columns, parse, read, write, write_labelled};
pub(crate) use labels::{ARM, SEED, put_axes};
pub use labels::{Labels, RUN, unitless};
pub use parquet::encode;
pub use record::Record;
pub use records::{
    CellRecord, GuardRecord, LeakRecord, LedgerRecord, PressureRecord, ProbeRecord, ScreenRecord, StepRecord,
    VerifyRecord, WarningRecord,
};
pub use text::{csv, json};
