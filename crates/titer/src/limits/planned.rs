//! Writing the spec of a plan.

use toml::{Table, Value};

use super::{
    limit::{Limit, RateBound},
    search::{SearchResult, mix},
};
use crate::{plan::SweepPlan, spec::Spec};

/// The plan's file as a spec with the mix that was found, of what was swept the setting that goes with it, and the limits as
/// claims.
///
/// # Panics
/// Where the search was not of the stages of this sweep's arms.
pub fn planned_spec(spec: &Spec, sweep: &SweepPlan, limits: &[Limit], result: &SearchResult) -> String {
    let mut table: Table = toml::from_str(&spec.text).expect("the file has been read");
    table.remove("rows");
    table.remove("limits");
    let arm = &sweep.arms[result.best.stage];
    if let Some(axes) = table.get_mut("sweep").and_then(Value::as_table_mut) {
        for ((axis, (_, values)), (_, chosen)) in spec.axes.iter().zip(&sweep.axes).zip(&arm.settings) {
            let at = values.iter().position(|value| value == chosen).unwrap_or(0);
            let only = match &axis.names {
                Some(names) => Value::Table([(names[at].clone(), axis.values[at].clone())].into_iter().collect()),
                None => Value::Array(vec![axis.values[at].clone()]),
            };
            axes.insert(axis.name.clone(), only);
        }
    }
    let mix = mix(&result.best.rows, arm.stages[0].rows);
    let mut shares = Table::new();
    for (cell, share) in mix.shares() {
        shares.insert(cell.to_string(), Value::Float(*share));
    }
    if let Some(rest) = mix.rest() {
        shares.insert("rest".to_owned(), Value::String(rest.to_string()));
    }
    let compute = spec.compute.map(|compute| compute.word().to_owned());
    let device = spec.device.map(|device| device.in_full());
    for (key, value) in [("base", spec.base.clone()), ("compute", compute), ("device", device)] {
        if let Some(value) = value {
            let model = table.entry("model").or_insert_with(|| Value::Table(Table::new()));
            model.as_table_mut().map(|model| model.insert(key.to_owned(), Value::String(value)));
        }
    }
    let mut stage = spec.stages[0].clone();
    stage.insert("mix".to_owned(), Value::Table(shares));
    table.insert("stage".to_owned(), Value::Array(vec![Value::Table(stage)]));
    // The planned arm alone is judged, unless it is neutral→good rows only and so its own control.
    let own_control = mix.shares().is_empty() && mix.rest().is_some_and(|rest| rest.to_string() == "neutral→good");
    let claims = table.entry("claim").or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(claims) = claims {
        claims.extend(limits.iter().map(|limit| Value::Table(claim(limit, own_control))));
    }
    let body = toml::to_string(&table).expect("a table is plain data");
    format!("# Planned by titer from {}; its forecast is beside it.\n{body}", spec.path.display())
}

/// A limit as a claim, which the report of the planned spec judges.
fn claim(limit: &Limit, own_control: bool) -> Table {
    let rate = format!("rate('{}')", limit.probe);
    let (value, bound) = match limit.bound {
        RateBound::AtLeast(least) => (rate, format!("> {least}")),
        RateBound::AtMost(most) => (rate, format!("< {most}")),
        RateBound::LostAtMost(most) => (format!("rate('{}', at='base') - {rate}", limit.probe), format!("< {most}")),
    };
    let mut claim = Table::new();
    for (key, words) in [("text", limit.words()), ("value", value), ("bound", bound)] {
        claim.insert(key.to_owned(), Value::String(words));
    }
    if own_control {
        claim.insert("arms".to_owned(), Value::String("all".to_owned()));
    }
    claim
}
