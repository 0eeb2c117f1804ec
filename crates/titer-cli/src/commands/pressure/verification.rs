//! How well pressures predicted real steps.

use serde_json::json;
use titer::{
    stats::{median, slope, spearman},
    table::VerifyRecord,
};
use titer_data::{cell, probe::Component};

use crate::{
    args::{PressureArgs, ViewArgs},
    printer::{Failure, data, prose, verbatim},
    text_table::{TextColumn, TextTable},
};

/// What every prediction is asked within a cell.
const SPEARMAN: f64 = 0.9;
const SLOPE: std::ops::RangeInclusive<f64> = 0.8..=1.2;
const SIGN: f64 = 0.95;

/// One cell and component at one multiple of the learning rate.
struct Agreement {
    multiple: f64,
    cell: String,
    component: Component,
    n: usize,
    spearman: f64,
    slope: f64,
    /// Share of rows with the right sign, among those whose prediction exceeds twice the noise; and how many those are.
    sign: f64,
    clear: usize,
}

impl Agreement {
    fn of(multiple: f64, cell: &str, component: Component, rows: &[&VerifyRecord]) -> Self {
        let predicted: Vec<f64> = rows.iter().map(|row| row.predicted).collect();
        let measured: Vec<f64> = rows.iter().map(|row| row.measured).collect();
        let clear: Vec<_> = rows.iter().filter(|row| row.predicted.abs() > 2.0 * row.noise).collect();
        let right = clear.iter().filter(|row| (row.predicted > 0.0) == (row.measured > 0.0)).count();
        Self {
            multiple,
            cell: cell.to_owned(),
            component,
            n: rows.len(),
            spearman: spearman(&predicted, &measured),
            slope: slope(&predicted, &measured),
            sign: right as f64 / clear.len() as f64,
            clear: clear.len(),
        }
    }

    fn passes(&self) -> [bool; 3] {
        [self.spearman >= SPEARMAN, SLOPE.contains(&self.slope), self.clear == 0 || self.sign >= SIGN]
    }
}

/// What predicts: its name, and its number for a step.
type Predictor = (&'static str, fn(&VerifyRecord) -> f64);

/// Pressure, and what might predict instead.
const PREDICTORS: [Predictor; 6] = [
    ("pressure", |row| row.predicted),
    ("surprise", |row| row.surprise),
    ("gradient norm", |row| row.gradient_norm),
    ("log-prob lift", |row| row.lift),
    ("swapped probes", |row| row.shuffled),
    ("random directions", |row| row.random),
];

/// Prints agreement within every cell, and of the baselines beside it.
pub(super) fn print(records: &[VerifyRecord], args: &PressureArgs) -> Result<(), Failure> {
    let (multiples, cells) = (distinct(records, |row| row.multiple), distinct(records, |row| cell::written(row.cell)));
    let rows_of = |multiple: f64, cell: &str, component: Component| -> Vec<&VerifyRecord> {
        let wanted = |row: &&VerifyRecord| {
            row.multiple == multiple && cell::written(row.cell) == cell && row.component == component
        };
        records.iter().filter(wanted).collect()
    };
    let mut agreements = Vec::new();
    for &multiple in &multiples {
        for cell in &cells {
            for component in Component::ALL {
                agreements.push(Agreement::of(multiple, cell, component, &rows_of(multiple, cell, component)));
            }
        }
    }
    // Every predictor's rank correlation within each cell; a sign means nothing for one that has none, so its size.
    let baselines: Vec<(f64, &str, f64)> = multiples
        .iter()
        .flat_map(|&multiple| PREDICTORS.map(|(name, value)| (multiple, name, value)))
        .map(|(multiple, name, value)| {
            let within = cells.iter().flat_map(|cell| Component::ALL.map(|component| (cell, component)));
            let each = within.map(|(cell, component)| {
                let rows = rows_of(multiple, cell, component);
                let side = |value: fn(&VerifyRecord) -> f64| rows.iter().map(|row| value(row)).collect::<Vec<_>>();
                spearman(&side(value), &side(|row| row.measured)).abs()
            });
            (multiple, name, median(&each.filter(|value| value.is_finite()).collect::<Vec<_>>()))
        })
        .collect();
    if args.json {
        print_json(&agreements, &baselines);
        Ok(())
    } else {
        print_table(&agreements, &baselines, &args.view)
    }
}

fn distinct<T: PartialEq>(records: &[VerifyRecord], key: impl Fn(&VerifyRecord) -> T) -> Vec<T> {
    let mut keys = Vec::new();
    for key in records.iter().map(key) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

/// The columns, without lines.
pub(super) fn columns() -> TextTable {
    TextTable::new([
        TextColumn::number("× lr"),
        TextColumn::word("cell"),
        TextColumn::word("component"),
        TextColumn::number("Spearman"),
        TextColumn::number("slope"),
        TextColumn::number("sign"),
        TextColumn::word("missed").meaning("what is not as wanted"),
        TextColumn::number("clear").meaning("rows whose prediction exceeds twice the noise, of all"),
    ])
}

fn print_table(agreements: &[Agreement], baselines: &[(f64, &str, f64)], view: &ViewArgs) -> Result<(), Failure> {
    prose(
        "one real step on each row: what was predicted against what was measured on other contrasts, within each cell",
    );
    prose(&format!(
        "wanted: Spearman at least {SPEARMAN}, slope {} to {}, and the right sign in {SIGN} of the rows whose prediction exceeds \
         twice the noise",
        SLOPE.start(),
        SLOPE.end()
    ));
    let mut table = columns();
    for agreement in agreements {
        let missed = ["Spearman", "slope", "sign"].into_iter().zip(agreement.passes());
        let missed: Vec<&str> = missed.filter(|(_, passes)| !passes).map(|(name, _)| name).collect();
        table.line([
            agreement.multiple.to_string(),
            agreement.cell.clone(),
            agreement.component.word().to_owned(),
            format!("{:.3}", agreement.spearman),
            format!("{:.2}", agreement.slope),
            format!("{:.2}", agreement.sign),
            missed.join(", "),
            format!("{}/{}", agreement.clear, agreement.n),
        ]);
    }
    table.print(view)?;
    data("");
    data(&format!("{:>8} {:>12} {:>12} {:>12}   of cell and component", "× lr", "spearman", "slope", "sign"));
    for rows in agreements.chunk_by(|a, b| a.multiple == b.multiple) {
        let share = |criterion: usize| {
            let passed = rows.iter().filter(|agreement| agreement.passes()[criterion]).count();
            format!("{passed} of {}", rows.len())
        };
        data(&format!("{:>8} {:>12} {:>12} {:>12}", rows[0].multiple, share(0), share(1), share(2)));
    }
    data("");
    data("median size of the rank correlation within a cell");
    for rows in baselines.chunk_by(|a, b| a.0 == b.0) {
        let values = rows.iter().map(|(_, name, value)| format!("{name} {value:.2}")).collect::<Vec<_>>().join(", ");
        prose(&format!("{:>8} {values}", rows[0].0));
    }
    Ok(())
}

fn print_json(agreements: &[Agreement], baselines: &[(f64, &str, f64)]) {
    let cells: Vec<_> = agreements
        .iter()
        .map(|agreement| {
            json!({
                "multiple": agreement.multiple, "cell": agreement.cell, "component": agreement.component, "n": agreement.n,
                "spearman": agreement.spearman, "slope": agreement.slope, "sign": agreement.sign, "clear": agreement.clear,
                "passes": agreement.passes(),
            })
        })
        .collect();
    let baselines: Vec<_> = baselines
        .iter()
        .map(|(multiple, name, value)| json!({ "multiple": multiple, "predictor": name, "median_spearman": value }))
        .collect();
    verbatim(&json!({ "cells": cells, "baselines": baselines }).to_string());
}
