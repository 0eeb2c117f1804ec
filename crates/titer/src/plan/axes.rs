//! Swept axes: checked one by one, put into stages, multiplied.

use serde::Deserialize as _;
use titer_data::{cell::Cell, nearest::nearest};
use toml::{Table, Value};

use super::{
    axis::AxisPlan,
    name::{axis_labels, shown},
};
use crate::spec::{Axis, Spec, SpecError, StageFields, plain, suggestion};

/// One value of one axis, as indices.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    /// Which axis.
    pub axis: usize,
    /// Which of its values.
    pub value: usize,
}

/// The axes of a spec over stages of these names.
///
/// # Errors
/// Where an axis names no field of a stage, overlaps with another one, repeats a value, or has one of the wrong type.
pub(super) fn resolve(spec: &Spec, names: &[String], defaults: &Table) -> Result<Vec<AxisPlan>, SpecError> {
    let mut axes: Vec<AxisPlan> = Vec::new();
    for axis in &spec.axes {
        let axis = axis_plan(spec, names, axis)?;
        let overlaps = |other: &&AxisPlan| {
            other.stage == axis.stage && (other.path.starts_with(&axis.path) || axis.path.starts_with(&other.path))
        };
        if let Some(other) = axes.iter().find(overlaps) {
            let problem = format!("axes `{}` and `{}` set the same field", other.written, axis.written);
            return Err(spec.error(&["sweep", &axis.written], problem, "sweep it once"));
        }
        for (at, value) in axis.values.iter().enumerate() {
            let fail = |problem: String, remedy: &str| {
                Err(spec.error(&["sweep", &axis.written, &at.to_string()], problem, remedy))
            };
            if axis.values[..at].iter().any(|earlier| same(earlier, value)) {
                return fail(format!("{} is on the axis twice", super::show(value)), "name every value once");
            }
            let mut table = spec.stages[axis.stage].clone();
            if let Err(key) = axis.put(&mut table, defaults, value) {
                return fail(format!("axis `{}`: `{key}` is not a table", axis.written), "sweep the field itself");
            }
            if let Err(error) = StageFields::deserialize(Value::Table(table)) {
                let problem = plain(error.message());
                let remedy = suggestion(&problem);
                return fail(problem, &remedy);
            }
        }
        axes.push(axis);
    }
    for (axis, label) in axis_labels(axes.iter().map(|axis| axis.name.as_str())).into_iter().enumerate() {
        axes[axis].label = label;
    }
    Ok(axes)
}

fn axis_plan(spec: &Spec, names: &[String], axis: &Axis) -> Result<AxisPlan, SpecError> {
    let fail = |problem: String, remedy: String| Err(spec.error(&["sweep", &axis.name], problem, remedy));
    let mut keys = axis.name.split('.');
    let stage = keys.next().unwrap_or_default();
    let Some(at) = names.iter().position(|name| name == stage) else {
        let known = nearest(stage, names.iter().map(String::as_str)).unwrap_or(&names[0]);
        let problem = format!("axis `{}` names no stage", axis.name);
        return fail(problem, format!("an axis is <stage>.<field>; did you mean `{known}.…`?"));
    };
    let one_arrow = |key: &str| key.parse::<Cell>().map_or(key.to_owned(), |cell| cell.to_string());
    let path: Vec<String> = keys.map(one_arrow).collect();
    if (path.is_empty() && axis.names.is_none()) || path == ["name"] {
        let problem = format!("axis `{}` names no field that can be swept", axis.name);
        return fail(problem, format!("write <stage>.<field>, such as {stage}.mix.rest"));
    }
    Ok(AxisPlan {
        written: axis.name.clone(),
        name: [vec![stage.to_owned()], path.clone()].concat().join("."),
        label: String::new(),
        stage: at,
        path,
        values: axis.values.clone(),
        shown: match &axis.names {
            Some(names) => names.iter().cloned().map(Value::String).collect(),
            None => shown(&axis.values),
        },
    })
}

/// Whether two values are the same setting; 1 and 1.0 are.
fn same(a: &Value, b: &Value) -> bool {
    let number = |value: &Value| value.as_float().or(value.as_integer().map(|number| number as f64));
    a == b || number(a).is_some_and(|a| number(b) == Some(a))
}

impl AxisPlan {
    /// Whether it says what a control leaves out: which rows are trained, who writes their replies, how they are guarded, and
    /// through which passes they go.
    pub(super) fn sets_mix(&self) -> bool {
        let fields = ["mix", "guards", "prompts", "drawn", "vector", "helper"];
        match self.path.first() {
            Some(field) => fields.contains(&field.as_str()),
            None => self.values.iter().any(|value| fields.iter().any(|field| value.get(field).is_some())),
        }
    }

    /// Puts a value into a stage's table. A mix that the stage leaves out is the default one, with one share changed.
    ///
    /// # Errors
    /// The key on the way that is no table.
    pub(super) fn put(&self, stage: &mut Table, defaults: &Table, value: &Value) -> Result<(), String> {
        let Some((last, keys)) = self.path.split_last() else {
            let Value::Table(fields) = value else { return Err(self.name.clone()) };
            stage.extend(fields.clone());
            return Ok(());
        };
        let mut table = stage;
        for key in keys {
            let default = || match key.as_str() {
                "mix" => defaults["mix"].clone(),
                _ => Value::Table(Table::new()),
            };
            let Value::Table(child) = table.entry(key.as_str()).or_insert_with(default) else {
                return Err(key.clone());
            };
            table = child;
        }
        // The stage may have written the same cell with the other arrow.
        let written = table.keys().find(|key| key.parse::<Cell>().is_ok_and(|cell| cell.to_string() == *last)).cloned();
        table.insert(written.unwrap_or_else(|| last.clone()), value.clone());
        Ok(())
    }
}

/// Arms of a spec at most, before controls.
const MOST_ARMS: usize = 10_000;

/// Fails where axes multiply to more arms than anyone can train, before they are made.
///
/// # Errors
/// Where there are more than [`MOST_ARMS`].
pub(super) fn bounded(spec: &Spec) -> Result<(), SpecError> {
    let arms = spec
        .axes
        .iter()
        .try_fold(1_usize, |arms, axis| arms.checked_mul(axis.values.len()).filter(|arms| *arms <= MOST_ARMS));
    match arms {
        Some(_) => Ok(()),
        None => {
            let sizes: Vec<String> = spec.axes.iter().map(|axis| axis.values.len().to_string()).collect();
            let problem = format!("{} arms", sizes.join(" × "));
            Err(spec.error(
                &["sweep"],
                problem,
                format!("a sweep has {MOST_ARMS} at most; split it over several specs"),
            ))
        }
    }
}

/// Every combination of the axes' values, the last axis changing fastest.
pub(super) fn combinations(axes: &[AxisPlan]) -> Vec<Vec<Choice>> {
    let mut all = vec![Vec::new()];
    for (axis, plan) in axes.iter().enumerate() {
        let with = |so_far: &Vec<Choice>, value| so_far.iter().copied().chain([Choice { axis, value }]).collect();
        all = all.iter().flat_map(|so_far| (0..plan.values.len()).map(move |value| with(so_far, value))).collect();
    }
    all
}
