//! Pressures of every cell, and how the components overlap.

use std::collections::BTreeMap;

use serde_json::json;
use titer::{
    stats::{Estimate, Support},
    table::PressureRecord,
};
use titer_data::{cell, probe::Component};
use titer_engine::pressure::{Directions, StageWarning};

use crate::printer::data;

/// The columns of the summary: name, in words, and value of a record; with `_` for spaces it is the name in the table and in JSON.
type Column = (&'static str, fn(&PressureRecord) -> f64);

const COLUMNS: [Column; 13] = [
    ("surprise", |record| record.surprise),
    ("surprise per token", |record| record.surprise_per_token),
    ("gradient norm", |record| record.gradient_norm),
    ("pressure good", |record| record.pressure_good),
    ("pressure obey_bad", |record| record.pressure_obey_bad),
    ("pressure obey", |record| record.pressure_obey),
    ("cosine good", |record| record.cosine_good),
    ("cosine obey_bad", |record| record.cosine_obey_bad),
    ("cosine obey", |record| record.cosine_obey),
    ("unique good", |record| record.unique_good),
    ("unique obey_bad", |record| record.unique_obey_bad),
    ("unique obey", |record| record.unique_obey),
    ("residual", |record| record.residual),
];

/// Prints means over each cell's rows.
pub(super) fn print(
    directions: &Directions,
    records: &[PressureRecord],
    warning: &StageWarning,
    unit: &str,
    as_json: bool,
) {
    let mut cells: BTreeMap<String, Vec<&PressureRecord>> = BTreeMap::new();
    records.iter().for_each(|record| cells.entry(cell::written(record.cell)).or_default().push(record));
    if as_json { print_json(directions, &cells, warning, unit) } else { print_table(directions, &cells, warning, unit) }
}

/// Mean over a cell's rows, with the interval over rows: one model, so it says nothing about other ones.
fn estimate(rows: &[&PressureRecord], value: fn(&PressureRecord) -> f64) -> Option<Estimate> {
    let values: Vec<f64> = rows.iter().map(|record| value(record)).collect();
    Estimate::over_items(&values, Support::Line)
}

fn print_table(
    directions: &Directions,
    cells: &BTreeMap<String, Vec<&PressureRecord>>,
    warning: &StageWarning,
    unit: &str,
) {
    data(unit);
    data("mean ± half of the 95 % interval over rows; surprise in nats a reply; unique pushes with obey_bad as level");
    data(&format!("{:18} {:>4} {}", "cell", "n", COLUMNS.map(|(name, _)| format!("{name:>19}")).concat()));
    for (cell, rows) in cells {
        let cell = if cell.is_empty() { "(no cell)" } else { cell };
        let values = COLUMNS.map(|(_, value)| {
            estimate(rows, value).map_or(format!("{:>19}", ""), |interval| {
                format!("{:>11} ±{:>6}", short(interval.mean), short(interval.half_width()))
            })
        });
        data(&format!("{cell:18} {:>4} {}", rows.len(), values.concat()));
    }
    data("");
    data(&format!("cosines of the components' gradients (condition of the Gram matrix {:.1})", directions.condition()));
    for (component, (row, n)) in Component::ALL.iter().zip(directions.cosines().iter().zip(directions.contrasts)) {
        let row = row.map(|cosine| format!("{cosine:>8.3}")).concat();
        data(&format!("{:10}{row}   from {n} contrasts", component.word()));
    }
    if let Some(warning) = untouched(directions) {
        data(&warning);
    }
    data("");
    data(&format!("before inoculating with bad→bad rows, from {} contrasts:", warning.contrasts));
    data(&format!(
        "context overlap     {:>6.3}   cosine of the margin's gradients under neutral and bad prompts",
        warning.overlap
    ));
    data(&format!(
        "inoculation headroom {:>5.2}   nats by which the bad prompt raises the bad reply",
        warning.headroom
    ));
}

/// More than this share of a component's Gram diagonal on weights that training has not touched is worth a warning.
const UNTOUCHED: f64 = 0.5;

/// What to say where pressures under Adam are about weights that training has hardly touched.
pub(super) fn untouched(directions: &Directions) -> Option<String> {
    let parts = Component::ALL.iter().zip(directions.untouched).filter(|(_, share)| *share > UNTOUCHED);
    let parts: Vec<String> =
        parts.map(|(component, share)| format!("{:.1} % of {}", 100.0 * share, component.word())).collect();
    (!parts.is_empty()).then(|| {
        format!(
            "warning: under Adam {} lies on weights that training has hardly touched, such as words that no row held. Adam would move these \
             first and far, so pressures, cosines and residual speak of them and not of what was trained. Give rows and contrasts in words \
             of the training, or take --precondition none",
            parts.join(", ")
        )
    })
}

/// Three decimals, or an exponent where those would say nothing.
fn short(value: f64) -> String {
    if value == 0.0 || value.abs() >= 0.01 { format!("{value:.3}") } else { format!("{value:.0e}") }
}

fn print_json(
    directions: &Directions,
    cells: &BTreeMap<String, Vec<&PressureRecord>>,
    warning: &StageWarning,
    unit: &str,
) {
    let summary = |rows: &Vec<&PressureRecord>| {
        let values = COLUMNS.into_iter().filter_map(|(name, value)| {
            let interval = estimate(rows, value)?;
            Some((name.replace(' ', "_"), json!({ "mean": interval.mean, "low": interval.low, "high": interval.high })))
        });
        json!({ "n": rows.len(), "columns": values.collect::<serde_json::Map<_, _>>() })
    };
    let cells: serde_json::Map<_, _> = cells.iter().map(|(cell, rows)| ((*cell).to_owned(), summary(rows))).collect();
    let components = Component::ALL.map(Component::word);
    let gram = json!({
        "components": components, "values": directions.gram, "condition": directions.condition(), "untouched": directions.untouched,
    });
    let warning = json!({ "overlap": warning.overlap, "headroom": warning.headroom, "contrasts": warning.contrasts });
    data(&json!({ "unit": unit, "cells": cells, "gram": gram, "warning": warning }).to_string());
}
