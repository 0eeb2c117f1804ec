//! `titer check`

use std::{collections::BTreeMap, path::Path};

use serde_json::json;
use titer::{limits::LimitsFile, words::counted};
use titer_data::{
    audit::Census,
    chat::Row,
    formats::{ChatFile, Container, ContrastsError, is_contrast, parse_chat_file, parse_contrasts, read_data},
    keys::text,
    probe::{Component, Probe},
    source::look_at_prompts,
};
use titer_engine::inputs::Inputs;

use super::{check_spec::check_spec, data::is_spec};
use crate::{
    args::CheckArgs,
    paths::shown,
    printer::{Failure, data, prose, verbatim},
};

/// Says what is in specs and data files; every file is looked at before the first error ends the command.
pub(crate) fn check(args: &CheckArgs) -> Result<(), Failure> {
    let mut problems = Vec::new();
    let inputs = Inputs::default();
    for path in &args.paths {
        let checked = match is_spec(path) {
            true if has_limits(path) => check_limits(path, args.json),
            true => check_spec(path, args, &inputs),
            false => check_rows(path, args.json),
        };
        problems.extend(checked.err());
    }
    if problems.is_empty() { Ok(()) } else { Err(Failure::Input(problems.join("\nerror: "))) }
}

fn check_rows(path: &Path, as_json: bool) -> Result<(), String> {
    // Once, since a pipe cannot be read again.
    let bytes = read_data(path).map_err(|error| error.to_string())?;
    let ChatFile { format, rows, errors } = parse_chat_file(path, &bytes).map_err(|error| error.to_string())?;
    if let (true, Some(first)) = (rows.is_empty() && !is_of_chats(path), errors.first()) {
        let found = format!("neither a spec (.toml) nor chats ({first})");
        return Err(format!("{}: {found}; titer checks both, and files of contrasts and of limits", path.display()));
    }
    let contrasts = rows.iter().filter(|row| is_contrast(row)).count();
    if contrasts == rows.len() && errors.is_empty() {
        return check_contrasts(path, parse_contrasts(path, &bytes), &rows, format.container, as_json);
    }
    let note = look_at_prompts(path, &rows).map_err(|error| error.to_string())?;
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
            "contrasts": contrasts,
            "notes": note.iter().collect::<Vec<_>>(),
            "malformed_lines": errors.iter().map(|error| error.line).collect::<Vec<_>>(),
        });
        verbatim(&summary.to_string());
    } else if !rows.is_empty() || errors.is_empty() {
        data(&format!("{}: {}, {format}", path.display(), counted(census.rows, "row")));
        let roles: Vec<_> = census.roles.iter().map(|(role, n)| format!("{} {n}", role.word())).collect();
        data(&format!("  messages by role: {}", roles.join(", ")));
        let (with, distinct) = (census.rows_with_system, census.system_prompts.len());
        data(&format!("  rows with a system prompt: {with} ({distinct} different)"));
        for (prompt, n) in census.system_prompts.iter().take(3) {
            data(&format!("    {n} × {}", shorten(prompt)));
        }
        data(&format!("  rows without a reply: {}", census.rows_without_target));
        let oddities = [
            (contrasts, "rows that are contrasts or preference pairs: give them a file of their own"),
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
        note.iter().for_each(|note| prose(&format!("  note: {note}")));
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

/// Whether a file is called as chats are.
fn is_of_chats(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| ["jsonl", "json", "csv", "tsv", "parquet"].contains(&&*ending))
}

/// What a file of contrasts or preference pairs holds.
fn check_contrasts(
    path: &Path,
    parsed: Result<Vec<Probe>, ContrastsError>,
    rows: &[Row],
    container: Container,
    as_json: bool,
) -> Result<(), String> {
    let mut components: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows {
        // A preference is one of `good` where it says nothing else.
        let component = row.metadata.get("component").map_or_else(|| Component::Good.word().to_owned(), text);
        *components.entry(component).or_default() += 1;
    }
    // A file that lacks a component is no error here: preference pairs have `good` alone.
    let (probes, lacks) = match parsed {
        Ok(probes) => (probes, None),
        Err(error @ ContrastsError::Missing { .. }) => (Vec::new(), Some(error.to_string())),
        Err(error) => return Err(error.to_string()),
    };
    let counts = |(name, n): (String, usize)| format!("{name} {n}");
    let probes: Vec<(String, usize)> = probes.iter().map(|probe| (probe.name(), probe.contrasts.len())).collect();
    if as_json {
        let counted = |counts: &[(String, usize)]| counts.iter().map(|(name, n)| (name.clone(), json!(n))).collect();
        let components: Vec<_> = components.into_iter().collect();
        let components: serde_json::Map<_, _> = counted(&components);
        let probes: serde_json::Map<_, _> = counted(&probes);
        let summary = json!({
            "file": shown(path), "format": container.to_string(), "contrasts": rows.len(), "components": components, "probes": probes,
            "lacks": lacks,
        });
        verbatim(&summary.to_string());
        return Ok(());
    }
    data(&format!("{}: {}, {container}", path.display(), counted(rows.len(), "contrast")));
    prose(&format!("  components: {}", components.into_iter().map(counts).collect::<Vec<_>>().join(", ")));
    if !probes.is_empty() {
        prose(&format!("  probes: {}", probes.into_iter().map(counts).collect::<Vec<_>>().join(", ")));
    }
    lacks.iter().for_each(|lacks| prose(&format!("  not enough for `probes` of a spec: {lacks}")));
    Ok(())
}

/// Whether a spec has limits, which `titer plan` reads.
fn has_limits(path: &Path) -> bool {
    let table = fs_err::read_to_string(path).ok().and_then(|text| text.parse::<toml::Table>().ok());
    table.is_some_and(|table| table.contains_key("limits"))
}

/// What a file of limits holds.
fn check_limits(path: &Path, as_json: bool) -> Result<(), String> {
    let file = LimitsFile::read(path).map_err(|error| error.to_string())?;
    let (limits, cells) = (file.limits.len(), file.supplies.len());
    if as_json {
        verbatim(
            &json!({ "file": shown(path), "title": file.spec.title, "limits": limits, "cells": cells }).to_string(),
        );
    } else {
        let path = path.display();
        prose(&format!(
            "{path}: limits, for `titer plan {path} --out FILE`; limits: {limits}; cells with rows: {cells}"
        ));
    }
    Ok(())
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
