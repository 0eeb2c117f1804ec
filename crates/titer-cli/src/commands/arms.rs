//! Arms in tables: a column for each swept axis, or their names where nothing is swept, and the names of those that titer added.

use titer::plan::{Arm, Setting, SweepPlan, axis_labels};

use crate::text_table::TextColumn;

/// The columns of arms on these axes; the last, where there are axes, is for the names of arms that titer added. It is not shown where there are none.
pub(super) fn arm_columns<'a>(axes: impl IntoIterator<Item = &'a str>) -> Vec<TextColumn> {
    let labels = axis_labels(axes.into_iter());
    if labels.is_empty() {
        return vec![TextColumn::text("arm")];
    }
    let added = TextColumn::text("added").meaning("an arm that titer added to those of the axes, to compare them with");
    labels.into_iter().map(TextColumn::text).chain([added]).collect()
}

/// What stands in them for an arm: its value on each axis, by the axis' whole name, and its name where titer added it.
pub(super) fn cells_of<'a>(
    axes: impl IntoIterator<Item = &'a str>,
    value: impl Fn(&str) -> Option<String>,
    name: &str,
    is_added: bool,
) -> Vec<String> {
    let cells: Vec<String> = axes.into_iter().map(|axis| value(axis).unwrap_or_else(|| "–".to_owned())).collect();
    if cells.is_empty() {
        return vec![name.to_owned()];
    }
    let added = if is_added { name.to_owned() } else { String::new() };
    cells.into_iter().chain([added]).collect()
}

/// The same for an arm of a plan.
pub(super) fn arm_cells(plan: &SweepPlan, arm: &Arm) -> Vec<String> {
    let value = |axis: &str| {
        let value = arm.settings.iter().find(|(name, _)| name == axis);
        value.map(|(_, value)| Setting::of(value).to_string())
    };
    let grid = plan.axes.iter().map(|(_, values)| values.len()).product();
    let is_added = plan.arms.iter().skip(grid).any(|added| added.name == arm.name);
    cells_of(plan.axes.iter().map(|(name, _)| name.as_str()), value, &arm.name, is_added)
}
