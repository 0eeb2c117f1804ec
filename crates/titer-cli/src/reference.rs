//! The pages of reference in `docs/reference`, written from the code; a test holds them against it.

use std::{collections::BTreeMap, path::PathBuf};

use clap::{Arg, Command, CommandFactory as _};
use titer::table::{
    CellRecord, Field, GuardRecord, LeakRecord, LedgerRecord, PressureRecord, ProbeRecord, Record, ScreenRecord,
    StepRecord, VerifyRecord, WarningRecord,
};

use crate::args::Args;

/// Options whose values are of two kinds, each with one meaning: `out` is where what a command makes goes, a folder for sweeps, exports
/// and models, else a file; `adapter` is a folder of adapters, with a name of its own where several are served.
const TWO_KINDS: [&str; 2] = ["out", "adapter"];

/// The commands that do something, `organism train` among them, by their whole names.
fn commands() -> Vec<(String, Command)> {
    fn collect(prefix: &str, command: &Command, into: &mut Vec<(String, Command)>) {
        for part in command.get_subcommands().filter(|part| !part.is_hide_set()) {
            let name = format!("{prefix}{}", part.get_name());
            if part.has_subcommands() {
                collect(&format!("{name} "), part, into);
            } else {
                into.push((name, part.clone()));
            }
        }
    }
    let mut all = Vec::new();
    collect("", &Args::command(), &mut all);
    all
}

fn help(arg: &Arg) -> String {
    let text = arg.get_help().map(ToString::to_string).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|").replace('<', "&lt;")
}

/// What an option's value is called; empty for flags.
fn value(arg: &Arg) -> String {
    if !arg.get_action().takes_values() {
        return String::new();
    }
    let names = arg.get_value_names().map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>());
    names.map_or_else(|| arg.get_id().as_str().to_uppercase(), |names| names.join(" ")).replace('|', "\\|")
}

fn options() -> String {
    let mut page = String::from(
        "# Options\n\nEvery option of every command. An option means the same wherever it stands. `--help` says more, with examples.\n\n\
         | option | value | what it says | commands |\n|---|---|---|---|\n",
    );
    let mut options: BTreeMap<String, Vec<(String, Arg)>> = BTreeMap::new();
    for (name, command) in commands() {
        for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
            if let Some(long) = arg.get_long().filter(|long| !["help", "version"].contains(long)) {
                options.entry(long.to_owned()).or_default().push((name.clone(), arg.clone()));
            }
        }
    }
    for (long, users) in options {
        let mut by_help: Vec<(String, String, Vec<&str>)> = Vec::new();
        for (command, arg) in &users {
            let said = (help(arg), value(arg));
            match by_help.iter_mut().find(|(help, value, _)| (help, value) == (&said.0, &said.1)) {
                Some((.., commands)) => commands.push(command),
                None => by_help.push((said.0, said.1, vec![command])),
            }
        }
        let short = users[0].1.get_short().map_or_else(String::new, |short| format!(", `-{short}`"));
        for (help, value, commands) in by_help {
            page += &format!("| `--{long}`{short} | {value} | {help} | {} |\n", commands.join(", "));
        }
    }
    page += "\n## Commands\n\n| command | what it does |\n|---|---|\n";
    for (name, command) in commands() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        page += &format!("| `titer {name}` | {about} |\n");
    }
    page
}

fn table_of<R: Record>(about: &str) -> String {
    let mut page = format!(
        "\n## `{}`\n\n{about} Schema {}.\n\n| column | unit | what it says |\n|---|---|---|\n",
        R::FILE,
        R::SCHEMA
    );
    for Field { name, unit, description, .. } in R::FIELDS {
        let said = description.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
        page += &format!("| `{name}` | {unit} | {said} |\n");
    }
    page
}

fn tables() -> String {
    let mut page = String::from(
        "# Tables\n\nThe Parquet tables of a run, and those that `--out` writes. Each has columns `run`, `arm`, `seed` and one for every swept \
         axis in front where it is of a sweep. `docs/results.md` reads them in pandas, polars and DuckDB.\n",
    );
    page += &table_of::<ProbeRecord>("What probes measured: a line a contrast and moment.");
    page += &table_of::<CellRecord>("How unlikely the rows of each cell were: a line a row and moment.");
    page += &table_of::<StepRecord>("Training, a line a step.");
    page += &table_of::<PressureRecord>("Pressures, a line a row.");
    page += &table_of::<LedgerRecord>("The ledger, a line an interval, source and component.");
    page += &table_of::<GuardRecord>("What guards did, a line a look.");
    page += &table_of::<WarningRecord>("What could be known before each stage.");
    page += &table_of::<LeakRecord>("The leak grid, a line a request in each context.");
    page += &table_of::<ScreenRecord>("Screening, a line a row under each prompt.");
    page += &table_of::<VerifyRecord>("`titer pressure --verify`, a line a step.");
    page
}

fn spec() -> String {
    format!(
        "# Specs, key by key\n\nEvery key with its default, as `titer init` prints it. A key that a spec leaves out is as written here; an unknown \
         key is an error with its line.\n\n```toml\n{}\n```\n\n## Guards of a stage\n\n```toml\n{}\n```\n",
        titer::spec::DEFAULTS.trim_end(),
        titer::spec::GUARDS.trim_end()
    )
}

#[test]
fn the_pages_of_reference_are_what_the_code_says() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    let write = std::env::var_os("TITER_WRITE").is_some();
    for (name, text) in [("options.md", options()), ("tables.md", tables()), ("spec.md", spec())] {
        let path = folder.join(name);
        if write {
            fs_err::create_dir_all(&folder).unwrap();
            fs_err::write(&path, &text).unwrap();
        }
        let there = fs_err::read_to_string(&path).unwrap_or_default();
        assert!(
            there == text,
            "docs/reference/{name} is not what the code says: run this test with TITER_WRITE=1, and read the diff"
        );
    }
}

#[test]
fn an_option_means_one_thing() {
    let mut seen: BTreeMap<String, (String, String)> = BTreeMap::new();
    for (command, definition) in commands() {
        for arg in definition.get_arguments() {
            let Some(long) = arg.get_long().filter(|long| !TWO_KINDS.contains(long)) else { continue };
            let (first, kind) = seen.entry(long.to_owned()).or_insert_with(|| (command.clone(), value(arg)));
            assert_eq!(*kind, value(arg), "--{long} of {first} and of {command} take different things");
        }
    }
    assert!(seen.len() > 60, "commands have options");
}

#[test]
fn every_command_shows_an_example() {
    for (name, command) in commands() {
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(after.contains(&format!("titer {name}")), "titer {name} --help has no example");
    }
}
