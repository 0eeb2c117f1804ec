//! `titer import`

mod command;
mod served;

pub(crate) use command::import;
