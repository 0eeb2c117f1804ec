//! `titer check` of a spec: its arms, a row of each cell, and what running it would take.

use std::{collections::BTreeSet, path::Path};

use console::{Style, measure_text_width};
use serde_json::{Map, Value, json};
use titer::{
    plan::{RunPlan, StagePlan, SweepPlan, own_stages},
    words::counted,
};
use titer_engine::inputs::{ExampleRow, ExampleSpan, Inputs, Resolved};

use super::{
    arms::{arm_cells, arm_columns},
    cost::{Cost, measured},
    open::{read_spec, resolve},
};
use crate::{
    args::CheckArgs,
    paths::shown,
    printer::{data, prose, verbatim},
    text_table::{TextColumn, TextTable},
    width::{width, wrapped},
};

/// Says what a spec asks for, and with `--measure` what that takes.
pub(super) fn check_spec(path: &Path, args: &CheckArgs, inputs: &Inputs) -> Result<(), String> {
    let spec = read_spec(path).map_err(|error| error.to_string())?;
    let resolved = resolve(&spec, inputs).map_err(|error| error.to_string())?;
    let distinct = distinct(&resolved.runs);
    let cost = args.measure.then(|| measured(&resolved.plan, &distinct, inputs)).transpose()?;
    if args.json {
        verbatim(&as_json(path, &resolved, &distinct, cost.as_ref()).to_string());
        return Ok(());
    }
    let Resolved { plan, runs, examples, .. } = &resolved;
    prose(&format!("{}: {}", path.display(), plan.title));
    let shared = runs.len() - distinct.len();
    let shared = if shared > 0 { format!(", of which {shared} are the same as another") } else { String::new() };
    let (steps, rows) = steps_and_rows(&distinct);
    prose(&format!(
        "{} × {} = {}{shared}; {} on {}",
        counted(plan.arms.len(), "arm"),
        counted(plan.seeds.len(), "seed"),
        counted(runs.len(), "run"),
        counted(steps, "optimiser step"),
        counted(rows, "row"),
    ));
    arms(plan, args)?;
    resolved.notes.iter().for_each(|note| prose(&format!("note: {note}")));
    data("");
    prose(if args.tokens {
        "a row of each cell as tokens, those that are trained in []"
    } else {
        "a row of each cell, what is trained of it in ⟦⟧"
    });
    for (cell, row) in examples {
        if args.tokens {
            wrapped(&format!("{cell}: {}", tokens(row)), "  ", width()).iter().for_each(|line| data(line));
        } else {
            data(&format!("{cell}: {}", text(row, width().saturating_sub(measure_text_width(cell) + 2))));
        }
    }
    if let Some(cost) = cost {
        data("");
        prose(&cost.sentence(distinct.len()));
    }
    Ok(())
}

/// Every run once: arms that train the same rows in the same way share one.
fn distinct(runs: &[(usize, RunPlan)]) -> Vec<(usize, RunPlan)> {
    let mut seen = BTreeSet::new();
    runs.iter().filter(|(_, run)| seen.insert(run.id())).cloned().collect()
}

/// Optimiser steps and rows of all runs; a stage that several begin with is trained once.
fn steps_and_rows(runs: &[(usize, RunPlan)]) -> (usize, usize) {
    let own = own_stages(runs.iter().map(|(_, run)| run)).concat();
    let batches = || own.iter().flat_map(|stage| stage.batches());
    (batches().count(), batches().sum())
}

/// Prints the arms with their stages.
fn arms(plan: &SweepPlan, args: &CheckArgs) -> Result<(), String> {
    let of_stages = [
        TextColumn::word("stage"),
        TextColumn::number("steps"),
        TextColumn::text("rows"),
        TextColumn::text("guards"),
        TextColumn::word("control").meaning("yes: neutral→good rows alone, with which others are compared"),
        TextColumn::number("batch"),
    ];
    let of_arms = arm_columns(plan.axes.iter().map(|(name, _)| name.as_str()));
    let is_special = plan.arms.iter().flat_map(|arm| &arm.stages).any(|stage| !through(stage).is_empty());
    let through_column = is_special
        .then(|| TextColumn::text("through").meaning("what its rows and training passes have, and nothing else"));
    let mut table = TextTable::new(of_arms.into_iter().chain(of_stages).chain(through_column));
    for (at, arm) in plan.arms.iter().enumerate() {
        let mut cells = arm_cells(plan, arm);
        let control = if arm.control == at { "yes" } else { "" };
        for stage in &arm.stages {
            let counts = stage.mix.counts(stage.rows);
            let counts: Vec<_> = counts.iter().filter(|(_, n)| *n > 0).map(|(cell, n)| format!("{cell} {n}")).collect();
            let of_stage = [
                stage.name.clone(),
                stage.steps.to_string(),
                counts.join(", "),
                stage.guards.to_string(),
                control.to_owned(),
                stage.batch.to_string(),
            ];
            table.line(cells.iter().cloned().chain(of_stage).chain(is_special.then(|| through(stage))));
            // Further stages stand below the arm's first.
            cells.iter_mut().for_each(String::clear);
        }
    }
    table.print(&args.view).map_err(|problem| problem.to_string())
}

/// Who writes the replies of a stage, its vector and its helper in words; empty where it has none of them.
fn through(stage: &StagePlan) -> String {
    let drawn = stage.drawn.as_ref().map(ToString::to_string);
    let passes = [stage.vector.as_ref().map(ToString::to_string), stage.helper.as_ref().map(ToString::to_string)];
    drawn.into_iter().chain(passes.into_iter().flatten()).collect::<Vec<_>>().join("; ")
}

fn tokens(row: &ExampleRow) -> String {
    let tokens = row.spans.iter().flat_map(|ExampleSpan { tokens, is_trained, .. }| {
        tokens.iter().map(move |token| if *is_trained { format!("[{token}]") } else { token.clone() })
    });
    tokens.collect::<Vec<_>>().join(" ")
}

/// A row in one line of at most so many characters. What is trained is marked and kept; what is before it is cut first.
fn text(row: &ExampleRow, width: usize) -> String {
    let line = |text: &str| text.replace('\n', "⏎").replace('\t', " ");
    let bold = Style::new().bold();
    let spans = row.spans.iter().map(|span| {
        let text = line(&span.text);
        if span.is_trained { (format!("⟦{}⟧", text.trim()), true) } else { (text, false) }
    });
    let spans: Vec<(String, bool)> = spans.collect();
    let length = |text: &str| text.chars().count();
    let mut over = spans.iter().map(|(text, _)| length(text)).sum::<usize>().saturating_sub(width);
    let mut shown = String::new();
    for (text, is_trained) in spans {
        let cut = if is_trained { 0 } else { over.min(length(&text).saturating_sub(1)) };
        let left = if cut == 0 { text } else { format!("…{}", text.chars().skip(cut + 1).collect::<String>()) };
        over -= cut;
        shown += &if is_trained { bold.apply_to(left).to_string() } else { left };
    }
    shown
}

fn as_json(path: &Path, resolved: &Resolved, distinct: &[(usize, RunPlan)], cost: Option<&Cost>) -> Value {
    let Resolved { plan, runs, examples, .. } = resolved;
    let arms = plan.arms.iter().map(|arm| {
        let stages = arm.stages.iter().map(|stage| {
            let rows: Map<_, _> =
                stage.mix.counts(stage.rows).iter().map(|(cell, n)| (cell.to_string(), json!(n))).collect();
            let mut said = json!({ "name": stage.name, "steps": stage.steps, "rows": rows, "guards": stage.guards });
            if let Some(drawn) = &stage.drawn {
                said["drawn"] = json!(drawn);
            }
            if let Some(vector) = &stage.vector {
                said["vector"] = json!(vector);
            }
            if let Some(helper) = &stage.helper {
                said["helper"] = json!(helper);
            }
            said
        });
        json!({ "name": arm.name, "control": plan.arms[arm.control].name, "stages": stages.collect::<Vec<_>>() })
    });
    let examples = examples.iter().map(|(cell, row)| {
        let span = |span: &ExampleSpan| json!({ "text": span.text, "tokens": span.tokens, "trained": span.is_trained });
        (cell.clone(), row.spans.iter().map(span).collect::<Value>())
    });
    let (steps, rows) = steps_and_rows(distinct);
    let mut summary = json!({
        "file": shown(path), "title": plan.title, "seeds": plan.seeds, "runs": runs.len(), "distinct_runs": distinct.len(),
        "steps": steps, "rows": rows, "arms": arms.collect::<Vec<_>>(),
        "examples": examples.collect::<Map<_, _>>(), "notes": resolved.notes,
    });
    if let Some(cost) = cost {
        summary["cost"] = cost.json();
    }
    summary
}
