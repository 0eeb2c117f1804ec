//! Cells with something for each, as plans have them.

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use titer_data::{cell::Cell, mix::Mix};

/// The cells of a mix that get rows, with how many, in the order in which cells take their slots.
pub(super) fn present(mix: &Mix, rows: usize) -> Vec<(Cell, usize)> {
    mix.counts(rows).into_iter().filter(|(_, count)| *count > 0).collect()
}

/// As a table by cell.
pub(super) fn as_map<T: Serialize, S: Serializer>(cells: &[(Cell, T)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(cells.len()))?;
    for (cell, count) in cells {
        map.serialize_entry(cell, count)?;
    }
    map.end()
}
