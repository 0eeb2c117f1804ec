//! `titer pressure`

use std::collections::BTreeMap;

use serde_json::json;
use titer::{
    model::Model,
    pressure::Directions,
    stats::Estimate,
    table::{self, PressureRecord},
};
use titer_data::{cell::Cell, chat::Row, formats::read_jsonl, probe::Component};

use crate::{
    args::PressureArgs,
    printer::{Failure, data, talk},
};

const UNIT: &str = "pressure: nats of margin per unit of learning rate, plain gradient descent on one row; positive \
                    pushes the component up";

/// Measures what every row's gradient does to each component; a table a row, and means a cell.
pub fn pressure(args: &PressureArgs) -> Result<(), Failure> {
    if args.items == 0 {
        return Err(Failure::input("--items is 0; use at least 1"));
    }
    if let Some(out) = args.out.as_ref().filter(|out| out.exists()) {
        return Err(Failure::Input(format!("{} exists already; name another file with --out", out.display())));
    }
    let model = Model::open(&args.base, args.seed).map_err(Failure::input)?;
    let Some(world) = &model.world else {
        let problem = "has no world to take probes from; name `organism` or a folder that `titer organism train` wrote";
        return Err(Failure::Input(format!("`{}` {problem}", args.base)));
    };
    let rows: Vec<Row> = match &args.rows {
        Some(path) => read_jsonl(path).map_err(Failure::input)?,
        None => Cell::all().flat_map(|cell| world.cell_rows(args.seed, cell, args.items)).collect(),
    };
    let directions = Directions::of_world(&model, world, args.seed, args.items).map_err(Failure::input)?;
    let records = directions.pressures(&model, &rows).map_err(Failure::input)?;
    if let Some(out) = &args.out {
        table::write(out, &records).map_err(Failure::work)?;
        talk(&format!("{} rows in {}", records.len(), out.display()));
    }
    let mut cells: BTreeMap<String, Vec<&PressureRecord>> = BTreeMap::new();
    records.iter().for_each(|record| cells.entry(record.cell.clone()).or_default().push(record));
    if args.json {
        print_json(&directions, &cells)
    } else {
        print_table(&directions, &cells)
    }
    Ok(())
}

/// The columns of the summary: name and value of a record.
type Column = (&'static str, fn(&PressureRecord) -> f64);

const COLUMNS: [Column; 12] = [
    ("surprise", |record| record.surprise),
    ("norm", |record| record.gradient_norm),
    ("good", |record| record.pressure_good),
    ("obey_bad", |record| record.pressure_obey_bad),
    ("obey", |record| record.pressure_obey),
    ("cos good", |record| record.cosine_good),
    ("cos obey_bad", |record| record.cosine_obey_bad),
    ("cos obey", |record| record.cosine_obey),
    ("unique good", |record| record.unique_good),
    ("unique obey_bad", |record| record.unique_obey_bad),
    ("unique obey", |record| record.unique_obey),
    ("residual", |record| record.residual),
];

/// Mean over a cell's rows, with the interval over rows: one model, so it says nothing about other ones.
fn estimate(rows: &[&PressureRecord], value: fn(&PressureRecord) -> f64) -> Option<Estimate> {
    let values: Vec<f64> = rows.iter().map(|record| value(record)).collect();
    Estimate::clustered([values.as_slice()])
}

fn print_table(directions: &Directions, cells: &BTreeMap<String, Vec<&PressureRecord>>) {
    data(UNIT);
    data("mean ± half of the 95 % interval over rows; surprise in nats a reply; unique pushes with obey_bad as level");
    data(&format!("{:18} {:>4} {}", "cell", "n", COLUMNS.map(|(name, _)| format!("{name:>17}")).concat()));
    for (cell, rows) in cells {
        let cell = if cell.is_empty() { "(no cell)" } else { cell };
        let values = COLUMNS.map(|(_, value)| {
            estimate(rows, value).map_or(format!("{:>17}", ""), |found| {
                format!("{:>9.3} ±{:>6.3}", found.mean, (found.high - found.low) / 2.0)
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
}

fn print_json(directions: &Directions, cells: &BTreeMap<String, Vec<&PressureRecord>>) {
    let summary = |rows: &Vec<&PressureRecord>| {
        let values = COLUMNS.into_iter().filter_map(|(name, value)| {
            let found = estimate(rows, value)?;
            Some((name.replace(' ', "_"), json!({ "mean": found.mean, "low": found.low, "high": found.high })))
        });
        json!({ "n": rows.len(), "columns": values.collect::<serde_json::Map<_, _>>() })
    };
    let cells: serde_json::Map<_, _> = cells.iter().map(|(cell, rows)| (cell.clone(), summary(rows))).collect();
    let components = Component::ALL.map(Component::word);
    let gram = json!({ "components": components, "values": directions.gram, "condition": directions.condition() });
    data(&json!({ "unit": UNIT, "cells": cells, "gram": gram }).to_string());
}
