//! What the tables hold: a struct is a row, a field is a column of the same name.

mod measured;
mod pressure;
mod training;

pub use measured::{CellRecord, LeakRecord, ProbeRecord, ScreenRecord};
pub use pressure::{LedgerRecord, PressureRecord, VerifyRecord};
pub use training::{GuardRecord, StepRecord, WarningRecord};
