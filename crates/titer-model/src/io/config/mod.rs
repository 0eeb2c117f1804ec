//! `config.json`: every family's words for its shape, read into a [`crate::shape::Config`] and written from one.

mod defaults;
mod keys;
mod read;
mod rope;
mod sliding_window;
mod words;
mod write;

pub use read::read_config;
pub(super) use write::write_config;
