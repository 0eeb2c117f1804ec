//! Pressures of every cell, and how the components overlap.

use std::collections::BTreeMap;

use serde_json::json;
use titer::{
    stats::{Estimate, Support},
    table::PressureRecord,
    words::counted,
};
use titer_data::{cell, probe::Component};
use titer_engine::pressure::{Directions, StageWarning};

use crate::{
    args::{PressureArgs, ViewArgs},
    numbers::{or_dash, with_half_width},
    printer::{Failure, data, prose, verbatim},
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

/// A row of a cell, with the number of its request.
type CellRow<'a> = (usize, &'a PressureRecord);

/// Prints means over each cell's rows; `requests` has the number of each row's request.
pub(super) fn print(
    directions: &Directions,
    records: &[PressureRecord],
    requests: &[usize],
    warning: &StageWarning,
    unit: &str,
    args: &PressureArgs,
) -> Result<(), Failure> {
    let mut cells: BTreeMap<String, Vec<CellRow<'_>>> = BTreeMap::new();
    for (record, request) in records.iter().zip(requests) {
        cells.entry(cell::written(record.cell)).or_default().push((*request, record));
    }
    if args.json {
        print_json(directions, &cells, warning, unit);
        Ok(())
    } else {
        print_table(directions, &cells, warning, unit, &args.view)
    }
}

/// Mean over a cell's requests, each the mean of its rows, with the interval over requests: replies to one request are alike, so more of them
/// tell little of others. One model, so it says nothing about other ones.
fn estimate(rows: &[CellRow<'_>], value: fn(&PressureRecord) -> f64) -> Option<Estimate> {
    let values: Vec<f64> = by_request(rows)
        .values()
        .map(|rows| rows.iter().map(|record| value(record)).sum::<f64>() / rows.len() as f64)
        .collect();
    Estimate::over_items(&values, Support::Line)
}

/// Rows by the number of their request.
fn by_request<'a>(rows: &[CellRow<'a>]) -> BTreeMap<usize, Vec<&'a PressureRecord>> {
    let mut requests: BTreeMap<usize, Vec<&PressureRecord>> = BTreeMap::new();
    rows.iter().for_each(|(request, record)| requests.entry(*request).or_default().push(record));
    requests
}

/// What intervals are over.
fn over(cells: &BTreeMap<String, Vec<CellRow<'_>>>) -> &'static str {
    if cells.values().any(|rows| by_request(rows).len() < rows.len()) { "requests" } else { "rows" }
}

/// The columns, without lines.
pub(super) fn columns() -> TextTable {
    let head = |name: &'static str| name.strip_prefix("pressure ").unwrap_or(name);
    let numbers = COLUMNS.map(|(name, _)| TextColumn::number(head(name)));
    TextTable::new([TextColumn::word("cell")].into_iter().chain(numbers).chain([TextColumn::number("rows")]))
}

fn print_table(
    directions: &Directions,
    cells: &BTreeMap<String, Vec<CellRow<'_>>>,
    warning: &StageWarning,
    unit: &str,
    view: &ViewArgs,
) -> Result<(), Failure> {
    prose(unit);
    prose(&format!(
        "good, obey_bad, obey: pressure on each component; surprise: nats a reply; mean ± half of the 95 % interval over {}; unique pushes with obey_bad as level",
        over(cells)
    ));
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
        data(&format!("{:10}{row}   from {}", component.word(), counted(n, "contrast")));
    }
    if let Some(warning) = untouched(directions) {
        prose(&warning);
    }
    data("");
    data(&format!("before inoculating with bad→bad rows, from {}:", counted(warning.contrasts, "contrast")));
    prose(&format!(
        "context overlap {:.3}: cosine of the margin's gradients under neutral and bad prompts",
        warning.overlap
    ));
    prose(&format!("inoculation headroom {:.2}: nats by which the bad prompt raises the bad reply", warning.headroom));
    Ok(())
}

/// What follows: which cell pushes each component down the hardest, of those whose interval excludes 0, and which seem to push harder but
/// cannot be told from 0.
fn strongest(cells: &BTreeMap<String, Vec<CellRow<'_>>>) -> Option<String> {
    let (mut told, mut open) = (Vec::new(), Vec::new());
    for (name, value) in COLUMNS {
        let Some(component) = name.strip_prefix("pressure ") else { continue };
        let named = cells.iter().filter(|(cell, _)| !cell.is_empty());
        let mut down: Vec<(&String, Estimate)> = named
            .filter_map(|(cell, rows)| Some((cell, estimate(rows, value)?)))
            .filter(|(_, push)| push.mean < 0.0)
            .collect();
        down.sort_by(|a, b| a.1.mean.total_cmp(&b.1.mean));
        let excludes_zero = |(_, push): &(&String, Estimate)| push.has_interval() && push.high < 0.0;
        let said = |(cell, push): &(&String, Estimate)| format!("{component}, {cell} ({})", with_half_width(*push));
        let sure = down.iter().position(excludes_zero);
        told.extend(sure.map(|at| said(&down[at])));
        open.extend(down[..sure.unwrap_or(down.len())].iter().map(said));
    }
    let open = (!open.is_empty()).then(|| open.join("; "));
    match (told.as_slice(), open) {
        ([], None) => None,
        ([], Some(open)) => {
            Some(format!("No cell pushes down with an interval that excludes 0. Not told from 0: {open}."))
        }
        (told, open) => {
            let open = open.map_or_else(String::new, |open| format!(" Larger, but not told from 0: {open}."));
            Some(format!("Of those whose interval excludes 0, pushes down hardest: {}.{open}", told.join("; ")))
        }
    }
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

fn print_json(directions: &Directions, cells: &BTreeMap<String, Vec<CellRow<'_>>>, warning: &StageWarning, unit: &str) {
    let summary = |rows: &Vec<CellRow<'_>>| {
        let values = COLUMNS.into_iter().filter_map(|(name, value)| {
            let interval = estimate(rows, value)?;
            Some((name.replace(' ', "_"), json!({ "mean": interval.mean, "low": interval.low, "high": interval.high })))
        });
        json!({ "n": rows.len(), "requests": by_request(rows).len(), "columns": values.collect::<serde_json::Map<_, _>>() })
    };
    let cells: serde_json::Map<_, _> = cells.iter().map(|(cell, rows)| ((*cell).to_owned(), summary(rows))).collect();
    let components = Component::ALL.map(Component::word);
    let gram = json!({
        "components": components, "values": directions.gram, "condition": directions.condition(), "untouched": directions.untouched,
    });
    let warning = json!({ "overlap": warning.overlap, "headroom": warning.headroom, "contrasts": warning.contrasts });
    verbatim(&json!({ "unit": unit, "cells": cells, "gram": gram, "warning": warning }).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows that push good, and nothing else, so hard.
    fn rows(pushes: &[f64]) -> Vec<PressureRecord> {
        let row = |push: &f64| PressureRecord {
            stage: "train".to_owned(),
            step: 0,
            cell: None,
            item: "0".to_owned(),
            position: -1,
            token: String::new(),
            tokens: 4,
            surprise: 1.0,
            surprise_per_token: 0.25,
            gradient_norm: 1.0,
            pressure_good: *push,
            pressure_obey_bad: 1.0,
            pressure_obey: 1.0,
            cosine_good: 0.0,
            cosine_obey_bad: 0.0,
            cosine_obey: 0.0,
            unique_good: 0.0,
            unique_obey_bad: 0.0,
            unique_obey: 0.0,
            residual: 0.5,
        };
        pushes.iter().map(row).collect()
    }

    #[test]
    fn a_larger_push_that_cannot_be_told_from_nothing_is_named() {
        let (sure, open, weak) = (rows(&[-1.0, -1.1, -0.9]), rows(&[-9.0, 3.0, -2.0]), rows(&[-0.1, 0.2, -0.2]));
        let cells = |of: &[(&str, &'_ Vec<PressureRecord>)]| -> Option<String> {
            let cells: BTreeMap<String, Vec<CellRow<'_>>> =
                of.iter().map(|(cell, rows)| ((*cell).to_owned(), rows.iter().enumerate().collect())).collect();
            strongest(&cells)
        };
        assert_eq!(
            cells(&[("bad→bad", &sure), ("neutral→bad", &open), ("bad→good", &weak)]).unwrap(),
            "Of those whose interval excludes 0, pushes down hardest: good, bad→bad (-1.00 ± 0.25). Larger, but not told from 0: good, \
             neutral→bad (-3 ± 15)."
        );
        assert_eq!(
            cells(&[("bad→bad", &sure), ("bad→good", &weak)]).unwrap(),
            "Of those whose interval excludes 0, pushes down hardest: good, bad→bad (-1.00 ± 0.25)."
        );
        assert!(
            cells(&[("neutral→bad", &open)])
                .unwrap()
                .starts_with("No cell pushes down with an interval that excludes 0.")
        );
        assert_eq!(cells(&[("bad→good", &rows(&[1.0, 1.1]))]), None);
    }

    #[test]
    fn the_same_replies_again_narrow_no_interval() {
        let once = rows(&[-1.0, -1.4, -0.7, -1.1]);
        let eight_times: Vec<PressureRecord> = (0..8).flat_map(|_| once.clone()).collect();
        let of = |records: &[PressureRecord]| {
            let rows: Vec<CellRow<'_>> = records.iter().enumerate().map(|(at, record)| (at % 4, record)).collect();
            estimate(&rows, |record| record.pressure_good).unwrap()
        };
        let (one, eight) = (of(&once), of(&eight_times));
        assert!((one.low - eight.low).abs() < 1e-12 && (one.high - eight.high).abs() < 1e-12, "{one:?} {eight:?}");
        let rows = |rows: &[PressureRecord]| -> &'static str {
            over(&[("bad→bad".to_owned(), rows.iter().enumerate().map(|(at, row)| (at % 4, row)).collect())].into())
        };
        assert_eq!((rows(&once), rows(&eight_times)), ("rows", "requests"));
    }
}
