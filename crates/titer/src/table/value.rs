//! How a field of a record becomes the values of a column, and back.

use parquet::{
    data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type},
    errors::{ParquetError, Result},
};
use titer_data::{
    cell::{Cell, written},
    probe::{Component, ProbePrompts},
    world::DomainSplit,
};

use super::column::Values;

/// A Rust value that is a cell of a record's column.
pub trait Value: Sized {
    /// The Parquet type behind it.
    type Kind: DataType;

    /// A column of such values.
    fn values<'v>(cells: impl Iterator<Item = &'v Self>) -> Values
    where
        Self: 'v;

    /// The value where another program has written none.
    fn absent() -> Option<Self> {
        None
    }

    /// The value from what Parquet stores; fails on text that is not UTF-8 or not one of the words that are due.
    fn load(stored: <Self::Kind as DataType>::T) -> Result<Self>;
}

impl Value for f64 {
    type Kind = DoubleType;

    fn values<'v>(cells: impl Iterator<Item = &'v Self>) -> Values {
        Values::Number(cells.copied().collect())
    }

    // pandas writes what is not a number as nothing.
    fn absent() -> Option<Self> {
        Some(Self::NAN)
    }

    fn load(stored: f64) -> Result<Self> {
        Ok(stored)
    }
}

impl Value for i64 {
    type Kind = Int64Type;

    fn values<'v>(cells: impl Iterator<Item = &'v Self>) -> Values {
        Values::Whole(cells.copied().collect())
    }

    fn load(stored: i64) -> Result<Self> {
        Ok(stored)
    }
}

impl Value for String {
    type Kind = ByteArrayType;

    fn values<'v>(cells: impl Iterator<Item = &'v Self>) -> Values {
        Values::Text(cells.cloned().collect())
    }

    fn load(stored: ByteArray) -> Result<Self> {
        Ok(stored.as_utf8()?.to_owned())
    }
}

/// What is a word of a small set, as text.
macro_rules! word {
    ($($name:ty),+) => { $(
        impl Value for $name {
            type Kind = ByteArrayType;

            fn values<'v>(cells: impl Iterator<Item = &'v Self>) -> Values {
                Values::Text(cells.map(ToString::to_string).collect())
            }

            fn load(stored: ByteArray) -> Result<Self> {
                stored.as_utf8()?.parse().map_err(|error| ParquetError::External(Box::new(error)))
            }
        }
    )+ };
}

word!(Cell, Component, DomainSplit, ProbePrompts);

/// A cell, or empty text where it is not known.
impl Value for Option<Cell> {
    type Kind = ByteArrayType;

    fn values<'v>(cells: impl Iterator<Item = &'v Self>) -> Values {
        Values::Text(cells.map(|cell| written(*cell)).collect())
    }

    fn load(stored: ByteArray) -> Result<Self> {
        if stored.as_utf8()?.is_empty() { Ok(None) } else { Cell::load(stored).map(Some) }
    }
}
