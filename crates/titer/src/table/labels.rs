//! What all rows of a table have in common: constant columns in front of its own.

use super::{
    column::{Column, Values},
    field::Field,
};

/// The run's name.
pub const RUN: Field = unitless("run", "The run: the start of its plan's hash, and its folder's name.");
/// The arm's name.
pub(crate) const ARM: Field = unitless("arm", "The arm's name.");
/// The seed.
pub(crate) const SEED: Field = unitless("seed", "The seed: it owns the base model, the rows and the contrasts.");

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
    pub(crate) fn of_run(run: &str, arm: &str, seed: u64, axes: Vec<Column>) -> Self {
        let texts = [(RUN, run), (ARM, arm)];
        let texts = texts.map(|(field, value)| Column::of(&field, Values::Text(vec![value.to_owned()])));
        let seed = Column::of(&SEED, Values::Whole(vec![seed as i64]));
        let mut columns = texts.into_iter().chain([seed]).collect();
        put_axes(&mut columns, axes, 3);
        Self(columns)
    }

    /// Numbers that all rows share.
    pub fn numbers<'a>(numbers: impl IntoIterator<Item = (&'a Field, f64)>) -> Self {
        Self(numbers.into_iter().map(|(field, value)| Column::of(field, Values::Number(vec![value]))).collect())
    }

    /// A table's own columns with these in front.
    pub(super) fn with(&self, columns: Vec<Column>) -> Vec<Column> {
        let rows = columns.first().map_or(0, |column| column.values.len());
        let mut labels: Vec<Column> = self.0.iter().map(|label| label.repeated(rows)).collect();
        labels.iter_mut().for_each(|label| rename(label, &columns));
        labels.into_iter().chain(columns).collect()
    }
}

/// Puts the columns of swept axes in front of a table's column number `at`: an axis is called as in the spec, or `sweep.NAME`
/// where another column has that name already.
pub(crate) fn put_axes(columns: &mut Vec<Column>, mut axes: Vec<Column>, at: usize) {
    axes.iter_mut().for_each(|axis| rename(axis, columns));
    columns.splice(at..at, axes);
}

fn rename(axis: &mut Column, taken: &[Column]) {
    if taken.iter().any(|column| column.name == axis.name) {
        axis.name.insert_str(0, "sweep.");
    }
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader as _, SerializedFileReader};

    use super::*;
    use crate::{
        plan::Setting,
        table::{LeakRecord, file::said, read, write, write_labelled},
    };

    fn row(step: i64) -> LeakRecord {
        LeakRecord {
            stage: "train".to_owned(),
            step,
            family: "none".to_owned(),
            prompt: String::new(),
            item: format!("{step:04}"),
            margin: 0.5,
        }
    }

    fn labels() -> Labels {
        let setting = Setting::Number(0.5);
        let axes = vec![
            Column::axis("train.mix.bad→good", true, [Some(&setting)].into_iter()),
            Column::axis("step", false, [Some(&setting)].into_iter()),
            Column::axis("train.lr", true, [None].into_iter()),
        ];
        Labels::of_run("c0ffee", "bad→good=0.5", 3, axes)
    }

    #[test]
    fn labels_stand_in_front_and_are_ignored_where_a_record_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        let rows: Vec<_> = (0..3000).map(row).collect();
        write(&path, &rows).unwrap();
        let plain = fs_err::metadata(&path).unwrap().len();
        write_labelled(&path, &labels(), &rows).unwrap();
        assert_eq!(read::<LeakRecord>(&path).unwrap(), rows);
        let labelled = fs_err::metadata(&path).unwrap().len();
        assert!(labelled < plain + 3000, "{labelled} bytes with six labels, {plain} without");

        let reader = SerializedFileReader::new(fs_err::File::open(&path).unwrap().into_parts().0).unwrap();
        let file = reader.metadata().file_metadata();
        let names: Vec<&str> = file.schema().get_fields().iter().map(|field| field.name()).collect();
        assert_eq!(names[..7], ["run", "arm", "seed", "train.mix.bad→good", "sweep.step", "train.lr", "stage"]);
        let about = said(file.key_value_metadata(), "titer.columns").unwrap();
        let about: serde_json::Value = serde_json::from_str(&about).unwrap();
        assert_eq!(about["step"]["unit"], "steps");
        assert_eq!(about["item"]["description"], "The request's name.");
        assert_eq!(said(file.key_value_metadata(), "titer.table").unwrap(), "leak");
    }

    #[test]
    fn labels_with_no_row_or_no_value_are_written_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        write_labelled(&path, &labels(), &[] as &[LeakRecord]).unwrap();
        assert_eq!(read::<LeakRecord>(&path).unwrap(), []);
    }
}
