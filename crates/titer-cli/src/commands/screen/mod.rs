//! `titer screen`

mod command;
mod table;

pub(crate) use command::screen;
