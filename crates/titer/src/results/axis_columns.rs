//! Swept axes as columns of tables.

use super::{ArmResults, SweepResults};
use crate::table::Column;

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
