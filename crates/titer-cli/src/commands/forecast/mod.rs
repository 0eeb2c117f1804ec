//! `titer forecast`

mod command;
mod comparison;
mod onset;
mod page;
mod table;

pub(crate) use command::forecast;
pub(super) use command::no_kernels;
