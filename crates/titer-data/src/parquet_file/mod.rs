//! Parquet files that anyone may have written: opened within bounds of time and memory.
//!
//! | | |
//! |---|---|
//! | `open` | the library's reader, of bytes that were checked |
//! | `headers` | headers that are checked before the library reads them |
//! | `size` | how many values a file claims to hold, beside its size |

mod headers;
mod open;
mod size;

pub use open::open_parquet;
