//! `titer pressure`

mod command;
mod kernel;
mod summary;
mod verification;

pub use command::pressure;
