//! `titer check`

use std::path::Path;

use serde_json::json;
use titer_data::{
    audit::Census,
    formats::{ChatFile, read_chat_file},
};
use titer_engine::inputs::Inputs;

use super::check_spec::check_spec;
use crate::{
    args::CheckArgs,
    paths::shown,
    printer::{Failure, data, prose},
};

/// Says what is in specs and data files; every file is looked at before the first error ends the command.
pub(crate) fn check(args: &CheckArgs) -> Result<(), Failure> {
    let mut problems = Vec::new();
    let inputs = Inputs::default();
    for path in &args.paths {
        let checked = match path.extension().and_then(|extension| extension.to_str()) {
            Some("toml") => check_spec(path, args, &inputs),
            Some("jsonl" | "json" | "csv" | "tsv" | "parquet") => check_rows(path, args.json),
            _ => Err(format!(
                "{}: titer checks specs (.toml) and chats (.jsonl, .json, .csv, .tsv, .parquet)",
                path.display()
            )),
        };
        problems.extend(checked.err());
    }
    if problems.is_empty() { Ok(()) } else { Err(Failure::Input(problems.join("\nerror: "))) }
}

fn check_rows(path: &Path, as_json: bool) -> Result<(), String> {
    let ChatFile { format, rows, errors } = read_chat_file(path).map_err(|error| error.to_string())?;
    let census = Census::of(&rows);
    if as_json {
        let roles: serde_json::Map<_, _> =
            census.roles.iter().map(|(role, n)| (role.word().to_owned(), json!(n))).collect();
        let cells: serde_json::Map<_, _> = census.cells.iter().map(|(cell, n)| (cell.to_string(), json!(n))).collect();
        let summary = json!({
            "file": shown(path),
            "format": format.to_string(),
            "rows": census.rows,
            "roles": roles,
            "cells": cells,
            "rows_with_system_prompt": census.rows_with_system,
            "system_prompts": census.system_prompts,
            "rows_without_reply": census.rows_without_target,
            "rows_that_end_without_reply": census.rows_without_last_reply,
            "rows_with_empty_reply": census.rows_with_empty_reply,
            "rows_with_all_weights_0": census.untrained_rows,
            "rows_with_late_system_turn": census.rows_with_late_system,
            "for_the_chat_template": census.template_fields,
            "metadata": census.metadata_keys,
            "duplicate_ids": census.duplicate_ids,
            "malformed_lines": errors.iter().map(|error| error.line).collect::<Vec<_>>(),
        });
        data(&summary.to_string());
    } else {
        data(&format!("{}: {} rows, {format}", path.display(), census.rows));
        let roles: Vec<_> = census.roles.iter().map(|(role, n)| format!("{} {n}", role.word())).collect();
        data(&format!("  messages by role: {}", roles.join(", ")));
        let (with, distinct) = (census.rows_with_system, census.system_prompts.len());
        data(&format!("  rows with a system prompt: {with} ({distinct} different)"));
        for (prompt, n) in census.system_prompts.iter().take(3) {
            data(&format!("    {n} × {}", shorten(prompt)));
        }
        data(&format!("  rows without a reply: {}", census.rows_without_target));
        let oddities = [
            (
                census.rows_without_last_reply,
                "rows that end without a reply: earlier ones are trained, the last request is not",
            ),
            (census.rows_with_empty_reply, "rows whose reply is empty: they teach to say nothing"),
            (census.untrained_rows, "rows whose replies all have weight 0: they train nothing, and a run refuses them"),
            (
                census.rows_with_late_system,
                "rows with a system turn that is not first: it counts as their system prompt",
            ),
        ];
        for (count, what) in oddities.into_iter().filter(|(count, _)| *count > 0) {
            data(&format!("  {what}: {count}"));
        }
        if !census.template_fields.is_empty() {
            let fields: Vec<_> = census.template_fields.iter().map(|(name, n)| format!("{name} {n}")).collect();
            prose(&format!("  for the chat template: {}", fields.join(", ")));
        }
        if !census.cells.is_empty() {
            let cells: Vec<_> = census.cells.iter().map(|(cell, n)| format!("{cell} {n}")).collect();
            prose(&format!("  cells: {}", cells.join(", ")));
        }
        if !census.metadata_keys.is_empty() {
            let keys: Vec<_> = census.metadata_keys.keys().cloned().collect();
            prose(&format!("  metadata: {}", keys.join(", ")));
        }
        if let Some((id, n)) = census.duplicate_ids.first() {
            data(&format!("  ids that occur more than once: {} (`{id}` {n} times)", census.duplicate_ids.len()));
        }
    }
    if errors.is_empty() {
        return Ok(());
    }
    const SHOWN: usize = 20;
    let mut lines: Vec<_> = errors.iter().take(SHOWN).map(|error| format!("{}: {error}", path.display())).collect();
    if errors.len() > SHOWN {
        lines.push(format!("{}: {} more malformed lines", path.display(), errors.len() - SHOWN));
    }
    Err(lines.join("\nerror: "))
}

fn shorten(text: &str) -> String {
    const LONGEST: usize = 90;
    let line = text.replace('\n', " ");
    if line.chars().count() <= LONGEST {
        line
    } else {
        format!("{}…", line.chars().take(LONGEST - 1).collect::<String>())
    }
}
