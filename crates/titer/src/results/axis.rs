//! Swept axes.

use super::{ArmResults, SweepResults};
use crate::{plan::Setting, table::Column};

/// One swept axis.
#[derive(Clone, Debug)]
pub struct SweptAxis {
    /// Its name in the spec.
    pub name: String,
    /// Its values, in the order of the spec.
    pub values: Vec<Setting>,
}

impl SweepResults {
    /// The columns of the swept axes, of a table with a row for each of these arms.
    pub(super) fn axis_columns(&self, rows: &[&ArmResults]) -> Vec<Column> {
        let columns = self.axes.iter().map(|axis| {
            let mut settings = self.arms.iter().filter_map(|arm| arm.settings.get(&axis.name));
            let numbers = settings.all(|setting| setting.number().is_some());
            Column::axis(&axis.name, numbers, rows.iter().map(|arm| arm.settings.get(&axis.name)))
        });
        columns.collect()
    }
}
