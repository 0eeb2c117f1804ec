//! A row of a table as a struct: its columns are declared once, with units.

use parquet::errors::Result as ParquetResult;

use super::{column::Values, field::Field, parquet::Chunks};

/// A row of a table. Implemented by the record types of this module only.
pub trait Record: Sized {
    /// The table's file name within a run folder.
    const FILE: &'static str;
    /// Version of the columns' names and meanings, from 1. A column more does not change it.
    const SCHEMA: u32;
    /// The columns, from left to right.
    const FIELDS: &'static [Field];

    #[doc(hidden)]
    fn values(rows: &[Self]) -> Vec<Values>;
    #[doc(hidden)]
    fn take(columns: &mut Chunks<'_>) -> ParquetResult<Vec<Self>>;
}

/// Declares a row struct and its mapping to columns, once: a column's description is its field's documentation, its unit stands in
/// brackets behind the type.
macro_rules! record {
    ($(#[$about:meta])* $name:ident in $file:literal schema $schema:literal {
        $($(#[doc = $description:literal])+ $field:ident $(formerly $old:literal)*: $value:ty $([$unit:literal])?,)+
    }) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[doc = $description])+ pub $field: $value,)+
        }

        impl $crate::table::Record for $name {
            const FILE: &'static str = $file;
            const SCHEMA: u32 = $schema;
            const FIELDS: &'static [$crate::table::Field] = &[$($crate::table::Field {
                name: stringify!($field),
                formerly: &[$($old)*],
                unit: concat!($($unit)?),
                description: concat!($($description),+),
            },)+];

            fn values(rows: &[Self]) -> Vec<$crate::table::Values> {
                vec![$(<$value as $crate::table::value::Value>::values(rows.iter().map(|row| &row.$field)),)+]
            }

            fn take(columns: &mut $crate::table::parquet::Chunks<'_>) -> parquet::errors::Result<Vec<Self>> {
                $(let mut $field = columns.take::<$value>()?.into_iter();)+
                let next = || Some(Self { $($field: $field.next()?,)+ });
                Ok(std::iter::from_fn(next).collect())
            }
        }
    };
}

pub(super) use record;
