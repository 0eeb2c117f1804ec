//! `titer forecast`

mod command;
mod comparison;
mod onset;
mod page;
mod table;

pub use command::{forecast, no_kernels};
