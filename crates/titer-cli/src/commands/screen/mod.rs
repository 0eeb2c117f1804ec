//! `titer screen`

mod command;
mod table;

pub use command::screen;
