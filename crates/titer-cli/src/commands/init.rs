//! `titer init`

use std::path::Path;

use titer::words::counted;
use titer_data::{
    audit::Census,
    cell::{Action, Cell, PromptKind},
    formats::parse_rows,
    source::DataFiles,
};
use titer_engine::inputs::Inputs;

use super::data::is_spec;
use crate::{
    args::InitArgs,
    printer::{Failure, spoken, talk, verbatim},
};

/// Prints the spec that every other one is laid over, and the constants of guards as comments; with `--data` one for those chats.
pub(crate) fn init(args: &InitArgs) -> Result<(), Failure> {
    if !args.data.is_empty() {
        return for_chats(args);
    }
    verbatim(titer::spec::DEFAULTS.trim_end());
    verbatim("");
    titer::spec::GUARDS.lines().for_each(|line| verbatim(&format!("# {}", line.trim_start_matches("# "))));
    Ok(())
}

/// The title of a spec that varies a dose.
const DOSE: &str = "How much bad→good makes this model deaf?";

/// Prints a spec for the user's chats: a dose–response where they have what that takes, else their own mix.
fn for_chats(args: &InitArgs) -> Result<(), Failure> {
    let (inputs, mut rows) = (Inputs::default(), Vec::new());
    for path in &args.data {
        if is_spec(path) {
            let problem = "it is a spec already: look at it with `titer check`; --data names files of chats";
            return Err(Failure::Input(format!("{}: {problem}", path.display())));
        }
        rows.extend(parse_rows(path, &inputs.bytes(path).map_err(Failure::input)?).map_err(Failure::input)?);
    }
    let census = Census::of(&rows);
    let labelled = rows.iter().filter(|row| row.cell.is_some()).count();
    if labelled < rows.len() {
        let named: Vec<String> = args.data.iter().map(|path| path.display().to_string()).collect();
        talk(&format!(
            "{}: {} of {} rows have no `cell`; say by the rules under [data] which rows are good and which are bad",
            named.join(", "),
            rows.len() - labelled,
            rows.len()
        ));
        verbatim(&head(args, DOSE, "", &rules(&census)));
        verbatim(&stage(args, 320, "{ rest = \"neutral→good\" }"));
        verbatim(&dose("neutral→good", 320));
        return Ok(());
    }
    let files = DataFiles { rows: args.data.clone(), probes: args.probes.clone(), cells: Vec::new() };
    let opened = inputs.data(&files).map_err(Failure::input)?;
    opened.chats().notes().iter().for_each(|note| spoken(&format!("note: {note}")));
    let counts: Vec<(Cell, usize)> =
        opened.chats().counts().into_iter().map(|(cell, (trained, _))| (cell, trained)).collect();
    let trained = |cell: Cell| counts.iter().find(|(other, _)| *other == cell).map_or(0, |(_, trained)| *trained);
    let written = counts.iter().map(|(cell, trained)| format!("{cell} {trained}")).collect::<Vec<_>>().join(", ");
    let cell = |prompt, action| Cell { prompt, action };
    let (bad_good, rest) = (cell(PromptKind::Bad, Action::Good), cell(PromptKind::Neutral, Action::Good));
    let batch = batch(args);
    let is_dose = trained(bad_good) > 0 && trained(rest) > 0;
    let title = if is_dose { DOSE } else { "What does this mix teach?" };
    verbatim(&head(args, title, &format!("# to train on: {written}; a fifth of the requests is held out\n"), ""));
    if is_dose {
        let rows = trained(bad_good).min(trained(rest)).clamp(batch, 640) / batch * batch;
        verbatim(&stage(args, rows, &format!("{{ rest = \"{rest}\" }}")));
        verbatim(&dose(&rest.to_string(), rows));
    } else {
        let all: usize = counts.iter().map(|(_, trained)| trained).sum();
        let rows = all.clamp(batch, 640) / batch * batch;
        let (most, _) = counts.iter().max_by_key(|(_, trained)| *trained).expect("there are rows");
        let is_a_row = |trained: usize| trained * rows >= all;
        let shares = counts.iter().filter(|(cell, trained)| cell != most && is_a_row(*trained));
        let shares = shares.map(|(cell, trained)| format!("\"{cell}\" = {:.3}", *trained as f64 / all as f64));
        let mix: Vec<String> = shares.chain([format!("rest = \"{most}\"")]).collect();
        verbatim(&stage(args, rows, &format!("{{ {} }}", mix.join(", "))));
        verbatim(
            "[sweep]                         # such as \"train.mix.bad→good\" = [0.0, 0.1, 1.0], where there are such rows",
        );
        if trained(rest) == 0 {
            talk("there are no neutral→good rows, and every arm's control is made of them: add some before you run it");
        }
    }
    Ok(())
}

fn is_organism(args: &InitArgs) -> bool {
    args.model == "organism"
}

/// Rows of a step.
fn batch(args: &InitArgs) -> usize {
    if is_organism(args) { 32 } else { 8 }
}

fn head(args: &InitArgs, title: &str, comment: &str, rules: &str) -> String {
    let names: Vec<String> = args.data.iter().map(|path| quoted(path)).collect();
    let files = match names.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    };
    let probes = args.probes.as_deref().map_or_else(
        || "# probes = \"contrasts.jsonl\"    # component, messages, plus, minus; without it, held-out rows of both actions\n".to_owned(),
        |path| format!("probes = {}\n", quoted(path)),
    );
    let lora = if is_organism(args) {
        ""
    } else {
        "lora = 16                       # adapters of this rank; without it, all weights\n"
    };
    format!(
        "# Save it, and look at it before you run it:\n\
         #   titer check spec.toml --measure\n\
         #   titer run spec.toml\n\
         title = \"{title}\"\n\
         seeds = [0, 1, 2]\n\n\
         [model]\n\
         base = {}\n{lora}\n\
         [data]\n{comment}rows = {files}\n{probes}{rules}",
        quoted(Path::new(&args.model)),
    )
}

/// Rules that give rows their cells, to be corrected by the one who knows.
fn rules(census: &Census) -> String {
    let rule = |system: &str, cell: &str, why: &str| {
        format!("\n[[data.cells]]\nwhere = {{ system = {} }}  # {why}\ncell = \"{cell}\"\n", toml::Value::from(system))
    };
    let without = census.rows - census.rows_with_system;
    let mut rules = String::new();
    if without > 0 {
        rules += &rule(
            "",
            "neutral→good",
            &format!("{} without a system prompt: are their replies good?", counted(without, "row")),
        );
    }
    for (prompt, count) in census.system_prompts.iter().take(4) {
        let line: String = prompt.lines().next().unwrap_or_default().chars().take(80).collect();
        rules += &rule(
            &line,
            "bad→good",
            &format!("{}: does it ask for something bad, and do they do it?", counted(*count, "row")),
        );
    }
    rules
}

fn stage(args: &InitArgs, rows: usize, mix: &str) -> String {
    let lr = if is_organism(args) { "1e-4" } else { "2e-4" };
    format!(
        "[[stage]]\nname = \"train\"\nrows = {rows}\nbatch = {}\noptimiser = {{ kind = \"adamw\", lr = {lr} }}\nmix = {mix}\n",
        batch(args)
    )
}

/// Doses of bad→good that are at least one of so many rows.
fn dose(rest: &str, rows: usize) -> String {
    let doses = [0.0, 0.03, 0.1, 0.3, 1.0].into_iter().filter(|dose| *dose == 0.0 || dose * rows as f64 >= 1.0);
    let doses: Vec<String> = doses.map(|dose| format!("{dose:?}")).collect();
    format!(
        "[sweep]                         # the dose: bad→good rows in place of {rest} ones\n\"train.mix.bad→good\" = [{}]",
        doses.join(", ")
    )
}

/// A path as TOML writes it.
fn quoted(path: &Path) -> String {
    toml::Value::from(path.display().to_string()).to_string()
}
