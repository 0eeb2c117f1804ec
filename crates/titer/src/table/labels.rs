//! What all rows of a table have in common: constant columns in front of its own.

use super::{
    column::{Column, Values},
    record::Field,
};

/// The run's name.
pub const RUN: Field = unitless("run", "The run: the start of its plan's hash, and its folder's name.");
/// The arm's name.
pub const ARM: Field = unitless("arm", "The arm's name.");
/// The seed.
pub const SEED: Field = unitless("seed", "The seed: it owns the base model, the rows and the contrasts.");

/// A column that has no unit.
pub const fn unitless(name: &'static str, description: &'static str) -> Field {
    Field { name, formerly: &[], unit: "", description }
}

/// Constant columns. A dictionary holds each value once, so they cost a few bytes a table, not a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labels(Vec<Column>);

impl Labels {
    /// The labels of a run: its name, the arm that it was made for, its seed, and that arm's value on every swept axis, each a
    /// column of one row.
    pub fn of_run(run: &str, arm: &str, seed: u64, axes: Vec<Column>) -> Self {
        let texts = [(RUN, run), (ARM, arm)];
        let texts = texts.map(|(field, value)| Column::of(&field, Values::Text(vec![value.to_owned()])));
        let seed = Column::of(&SEED, Values::Whole(vec![seed as i64]));
        let mut columns = texts.into_iter().chain([seed]).collect();
        put_axes(&mut columns, axes, 3);
        Self(columns)
    }

    /// A number that all rows share.
    pub fn number(field: &Field, value: f64) -> Self {
        Self(vec![Column::of(field, Values::Number(vec![value]))])
    }

    /// A table's own columns with these in front.
    pub(super) fn with(&self, own: Vec<Column>) -> Vec<Column> {
        let rows = own.first().map_or(0, |column| column.values.len());
        let mut labels: Vec<Column> = self.0.iter().map(|label| label.repeated(rows)).collect();
        labels.iter_mut().for_each(|label| rename(label, &own));
        labels.into_iter().chain(own).collect()
    }
}

/// Puts the columns of swept axes in front of a table's column number `at`: an axis is called as in the spec, or `sweep.NAME`
/// where another column has that name already.
pub fn put_axes(columns: &mut Vec<Column>, mut axes: Vec<Column>, at: usize) {
    axes.iter_mut().for_each(|axis| rename(axis, columns));
    columns.splice(at..at, axes);
}

fn rename(axis: &mut Column, taken: &[Column]) {
    if taken.iter().any(|column| column.name == axis.name) {
        axis.name.insert_str(0, "sweep.");
    }
}
