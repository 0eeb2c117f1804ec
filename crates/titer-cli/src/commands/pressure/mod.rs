//! `titer pressure`

mod command;
mod given;
mod kernel;
mod summary;
mod verification;

pub(crate) use command::pressure;
