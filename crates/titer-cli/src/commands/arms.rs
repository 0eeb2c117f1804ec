//! Arms in tables: a column for each swept axis, or their names where nothing is swept.

use titer::plan::{Arm, Setting, SweepPlan};

use crate::text_table::TextColumn;

/// The columns of arms.
pub(super) fn arm_columns<'a>(axes: impl IntoIterator<Item = &'a str>) -> Vec<TextColumn> {
    let columns: Vec<TextColumn> =
        axes.into_iter().map(|name| TextColumn::text(name.rsplit('.').next().unwrap_or(name))).collect();
    if columns.is_empty() { vec![TextColumn::text("arm")] } else { columns }
}

/// What stands in them for an arm of a plan.
pub(super) fn arm_cells(plan: &SweepPlan, arm: &Arm) -> Vec<String> {
    let setting = |(name, _): &(String, _)| {
        let value = arm.settings.iter().find(|(axis, _)| axis == name);
        value.map_or_else(|| "–".to_owned(), |(_, value)| Setting::of(value).to_string())
    };
    if plan.axes.is_empty() { vec![arm.name.clone()] } else { plan.axes.iter().map(setting).collect() }
}
