//! What stands in a table's file beside the numbers of a column.

/// A column of a record type: what stands in the file beside the numbers.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The column's name.
    pub name: &'static str,
    /// Names that it had in older schemas.
    pub formerly: &'static [&'static str],
    /// The unit; empty for texts.
    pub unit: &'static str,
    /// What the column says, in a sentence or two.
    pub description: &'static str,
}
