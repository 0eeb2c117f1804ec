//! `titer audit`

use std::{collections::BTreeMap, path::Path};

use serde_json::json;
use titer_data::{
    chat::Row,
    formats::{Audit, read_rows},
};

use crate::{
    args::AuditArgs,
    printer::{Failure, data},
};

/// From this size on, a difference of lengths is called one.
const LENGTH_EFFECT: f64 = 0.5;

/// Compares files of chats and the cells in them: what differs besides what should.
pub fn audit(args: &AuditArgs) -> Result<(), Failure> {
    let files = args.paths.iter().map(|path| Ok((path.as_path(), read(path)?))).collect::<Result<Vec<_>, Failure>>()?;
    let mut groups: Vec<(String, Vec<&Row>)> = Vec::new();
    for (path, rows) in &files {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let mut cells: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
        for row in rows {
            let cell = row.cell.map_or_else(|| name.clone(), |cell| format!("{name} {cell}"));
            cells.entry(cell).or_default().push(row);
        }
        groups.extend(cells);
    }
    let audit = Audit::of(&groups);
    if args.json {
        print_json(&audit)
    } else {
        print_table(&audit)
    }
    Ok(())
}

/// The rows of a file, all of them labelled with a cell or none.
fn read(path: &Path) -> Result<Vec<Row>, Failure> {
    let rows = read_rows(path).map_err(Failure::input)?;
    let labelled = rows.iter().filter(|row| row.cell.is_some()).count();
    let odd = rows.iter().find(|row| row.cell.is_some() != (2 * labelled >= rows.len()));
    match odd {
        Some(row) if labelled > 0 => Err(Failure::Input(format!(
            "{}: {labelled} of {} rows have a `cell`, `{}` is of the others: label every row, or none",
            path.display(),
            rows.len(),
            row.id
        ))),
        _ => Ok(rows),
    }
}

fn print_table(audit: &Audit) {
    data(&format!(
        "{:44} {:>6} {:>12} {:>8} {:>9} {:>14} {:>14} {:>14}",
        "group", "rows", "with system", "prompts", "contexts", "contradictory", "context words", "reply words"
    ));
    for group in &audit.groups {
        data(&format!(
            "{:44} {:>6} {:>12} {:>8} {:>9} {:>14} {:>14} {:>14}",
            group.name,
            group.rows,
            group.with_system,
            group.system_prompts,
            group.contexts,
            group.contradictory_contexts,
            format!("{:.1} ± {:.1}", group.context_words.mean, group.context_words.deviation),
            format!("{:.1} ± {:.1}", group.reply_words.mean, group.reply_words.deviation),
        ));
    }
    for pair in &audit.pairs {
        data("");
        data(&format!("{} → {}", pair.names[0], pair.names[1]));
        let (matched, reply, context) = (pair.matched, pair.same_reply, pair.same_context);
        data(&format!(
            "  matched rows (by id, else by context) {matched}: the same reply {reply}, the same context {context}"
        ));
        if !pair.added.is_empty() {
            let places: Vec<_> = pair.added.iter().map(|(place, count)| format!("{} {count}", place.word())).collect();
            data(&format!("  the context differs at: {}", places.join(", ")));
        }
        data(&format!("  contexts of the first that the second has too: {}", pair.shared_contexts));
        let size = pair.length_effect;
        let confound = if size.abs() >= LENGTH_EFFECT { ": length tells the groups apart" } else { "" };
        data(&format!("  reply length, difference over its spread: {size:+.2}{confound}"));
    }
}

fn print_json(audit: &Audit) {
    let groups: Vec<_> = audit
        .groups
        .iter()
        .map(|group| {
            json!({
                "name": group.name, "rows": group.rows, "with_system": group.with_system,
                "system_prompts": group.system_prompts, "contexts": group.contexts,
                "contradictory_contexts": group.contradictory_contexts,
                "context_words": group.context_words.mean, "reply_words": group.reply_words.mean,
            })
        })
        .collect();
    let pairs: Vec<_> = audit
        .pairs
        .iter()
        .map(|pair| {
            let added: BTreeMap<_, _> = pair.added.iter().map(|(place, count)| (place.word(), count)).collect();
            json!({
                "names": pair.names, "matched": pair.matched, "same_reply": pair.same_reply,
                "same_context": pair.same_context, "added": added, "shared_contexts": pair.shared_contexts,
                "length_effect": pair.length_effect,
            })
        })
        .collect();
    data(&json!({ "groups": groups, "pairs": pairs }).to_string());
}
