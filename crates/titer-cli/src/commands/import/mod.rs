//! `titer import`

mod command;
mod found;
mod served;

pub(crate) use command::import;
