//! `titer list`

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use titer::{
    status::SweepStatus,
    store::{StoreError, Sweep},
    table::{Column, Field, Values, unitless},
};

use crate::{
    args::ListArgs,
    listener::tell_table,
    paths::shown,
    printer::{Failure, talk, verbatim},
    text_table::{TextColumn, TextTable},
};

/// Prints the sweeps in a folder, and how far each is.
pub(crate) fn list(args: &ListArgs) -> Result<(), Failure> {
    let mut table = columns();
    table.knows(&args.view)?;
    let folders = folders(&args.dir)?;
    let (mut listed, mut unreadable) = (Vec::new(), Vec::new());
    for folder in folders {
        let looked = Sweep::open(&folder).and_then(|sweep| {
            let status = SweepStatus::of(&sweep)?;
            Ok((folder.clone(), sweep.record().title.clone(), status))
        });
        match looked {
            Ok(sweep) => listed.push(sweep),
            // A folder without a sweep is none of ours.
            Err(StoreError::NoSweep(_)) => {}
            Err(error) => unreadable.push((folder, error.to_string())),
        }
    }
    // Said first, so that nobody takes the list for whole.
    unreadable.iter().for_each(|(folder, problem)| talk(&format!("{} is left out: {problem}", folder.display())));
    tell_table("sweeps", || told(&listed));
    if args.json {
        listed.iter().for_each(|(folder, title, status)| verbatim(&as_json(folder, title, status).to_string()));
        return Ok(());
    }
    if listed.is_empty() && unreadable.is_empty() {
        talk(&format!("{}: no sweeps; `titer run` makes one", args.dir.display()));
        return Ok(());
    }
    for (folder, title, status) in &listed {
        table.line([
            folder.display().to_string(),
            format!("{} of {}", status.finished, status.runs),
            state(status),
            title.clone(),
            status.failed.len().to_string(),
        ]);
    }
    table.print(&args.view)
}

fn columns() -> TextTable {
    TextTable::new([
        TextColumn::text("folder"),
        TextColumn::number("finished"),
        TextColumn::word("state"),
        TextColumn::text("title"),
        TextColumn::number("failed"),
    ])
}

/// The folders in a folder, by name.
fn folders(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !dir.is_dir() {
        return Err(Failure::Input(format!("{}: there is no such folder; name one that holds sweeps", dir.display())));
    }
    let entries = fs_err::read_dir(dir).map_err(Failure::work)?;
    let mut folders: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect();
    folders.sort();
    Ok(folders)
}

/// The same for a program.
fn told(listed: &[(PathBuf, String, SweepStatus)]) -> Vec<Column> {
    let text = |name, description, of: &dyn Fn(&(PathBuf, String, SweepStatus)) -> String| {
        Column::of(&unitless(name, description), Values::Text(listed.iter().map(of).collect()))
    };
    let count = |name, description, of: fn(&SweepStatus) -> usize| {
        let field = Field { unit: "runs", ..unitless(name, description) };
        Column::of(&field, Values::Whole(listed.iter().map(|(.., status)| of(status) as i64).collect()))
    };
    vec![
        text("folder", "The sweep's folder.", &|(folder, ..)| folder.display().to_string()),
        text("title", "What its spec calls it.", &|(_, title, _)| title.clone()),
        text("state", "What it does now: `finished`, `running`, `failed` or `stopped`.", &|(.., status)| state(status)),
        count("runs", "Runs that it has.", |status| status.runs),
        count("finished", "Runs that are done.", |status| status.finished),
        count("running", "Runs that somebody makes now.", |status| status.running.len()),
        count("failed", "Runs that failed.", |status| status.failed.len()),
        count("waiting", "Runs that nobody makes now.", |status| status.waiting),
    ]
}

/// What a sweep does now, in a word.
fn state(status: &SweepStatus) -> String {
    let state = match status {
        SweepStatus { finished, runs, .. } if finished == runs => "finished",
        SweepStatus { running, .. } if !running.is_empty() => "running",
        SweepStatus { failed, .. } if !failed.is_empty() => "failed",
        _ => "stopped",
    };
    state.to_owned()
}

fn as_json(folder: &Path, title: &str, status: &SweepStatus) -> Value {
    json!({
        "folder": shown(folder), "title": title, "runs": status.runs, "finished": status.finished, "running": status.running.len(),
        "failed": status.failed.len(), "waiting": status.waiting, "state": state(status),
    })
}
