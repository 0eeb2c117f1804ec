//! Pressures of every cell, and how the components overlap.

use std::collections::BTreeMap;

use serde_json::json;
use titer::{
    stats::{Estimate, Support},
    table::PressureRecord,
};
use titer_data::{cell, probe::Component};
use titer_engine::pressure::{Directions, StageWarning};

use crate::{
    args::{PressureArgs, ViewArgs},
    numbers::{or_dash, with_half_width},
    printer::{Failure, data, prose},
    text_table::{TextColumn, TextTable},
};

/// The columns of the summary, the telling ones first: name, in words, and value of a record; with `_` for spaces it is the name in the
/// table and in JSON.
type Column = (&'static str, fn(&PressureRecord) -> f64);

const COLUMNS: [Column; 13] = [
    ("surprise", |record| record.surprise),
    ("pressure good", |record| record.pressure_good),
    ("pressure obey_bad", |record| record.pressure_obey_bad),
    ("pressure obey", |record| record.pressure_obey),
    ("surprise per token", |record| record.surprise_per_token),
    ("gradient norm", |record| record.gradient_norm),
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
    args: &PressureArgs,
) -> Result<(), Failure> {
    let mut cells: BTreeMap<String, Vec<&PressureRecord>> = BTreeMap::new();
    records.iter().for_each(|record| cells.entry(cell::written(record.cell)).or_default().push(record));
    if args.json {
        print_json(directions, &cells, warning, unit);
        Ok(())
    } else {
        print_table(directions, &cells, warning, unit, &args.view)
    }
}

/// Mean over a cell's rows, with the interval over rows: one model, so it says nothing about other ones.
fn estimate(rows: &[&PressureRecord], value: fn(&PressureRecord) -> f64) -> Option<Estimate> {
    let values: Vec<f64> = rows.iter().map(|record| value(record)).collect();
    Estimate::over_items(&values, Support::Line)
}

/// The columns, without lines.
pub(super) fn columns() -> TextTable {
    let head = |name: &'static str| name.strip_prefix("pressure ").unwrap_or(name);
    let numbers = COLUMNS.map(|(name, _)| TextColumn::number(head(name)));
    TextTable::new([TextColumn::word("cell")].into_iter().chain(numbers).chain([TextColumn::number("rows")]))
}

fn print_table(
    directions: &Directions,
    cells: &BTreeMap<String, Vec<&PressureRecord>>,
    warning: &StageWarning,
    unit: &str,
    view: &ViewArgs,
) -> Result<(), Failure> {
    prose(unit);
    prose(
        "good, obey_bad, obey: pressure on each component; surprise: nats a reply; mean ± half of the 95 % interval over rows; unique pushes with obey_bad as level",
    );
    let mut table = columns();
    for (cell, rows) in cells {
        let cell = if cell.is_empty() { "(no cell)" } else { cell };
        let values = COLUMNS.map(|(_, value)| or_dash(estimate(rows, value), with_half_width));
        table.line([cell.to_owned()].into_iter().chain(values).chain([rows.len().to_string()]));
    }
    table.print(view)?;
    strongest(cells).iter().for_each(|line| prose(line));
    data("");
    prose(&format!(
        "cosines of the components' gradients (condition of the Gram matrix {:.1})",
        directions.condition()
    ));
    for (component, (row, n)) in Component::ALL.iter().zip(directions.cosines().iter().zip(directions.contrasts)) {
        let row = row.map(|cosine| format!("{cosine:>8.3}")).concat();
        data(&format!("{:10}{row}   from {n} contrasts", component.word()));
    }
    if let Some(warning) = untouched(directions) {
        prose(&warning);
    }
    data("");
    data(&format!("before inoculating with bad→bad rows, from {} contrasts:", warning.contrasts));
    prose(&format!(
        "context overlap {:.3}: cosine of the margin's gradients under neutral and bad prompts",
        warning.overlap
    ));
    prose(&format!("inoculation headroom {:.2}: nats by which the bad prompt raises the bad reply", warning.headroom));
    Ok(())
}

/// What follows: which cell pushes each component down the hardest, of those whose interval excludes 0.
fn strongest(cells: &BTreeMap<String, Vec<&PressureRecord>>) -> Option<String> {
    let pushes = COLUMNS.into_iter().filter_map(|(name, value)| {
        let component = name.strip_prefix("pressure ")?;
        let down = cells.iter().filter_map(|(cell, rows)| Some((cell, estimate(rows, value)?)));
        let down = down.filter(|(cell, push)| !cell.is_empty() && push.has_interval() && push.high < 0.0);
        let (cell, push) = down.min_by(|a, b| a.1.mean.total_cmp(&b.1.mean))?;
        Some(format!("{component}, {cell} ({})", with_half_width(push)))
    });
    let pushes: Vec<String> = pushes.collect();
    (!pushes.is_empty()).then(|| format!("Pushes down hardest: {}.", pushes.join("; ")))
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
