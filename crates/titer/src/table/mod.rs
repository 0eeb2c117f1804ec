//! The tables of a run folder: one Parquet file each, written whole, read by anything that reads Parquet.
//!
//! `records` says which columns there are, `column` how a Rust value becomes one, `file` how a table is written and
//! read. Equal rows give equal bytes: nothing in a file depends on when or where it was written.

mod column;
mod file;
mod records;

pub use file::{Record, TableError, read, write};
pub use records::{
    CellRecord, GuardRecord, LeakRecord, LedgerRecord, PressureRecord, ProbeRecord, ScreenRecord, StepRecord,
    VerifyRecord, WarningRecord,
};
