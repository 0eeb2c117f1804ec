//! `titer doctor`

use serde_json::json;
use titer_data::{
    cell::Cell,
    chat::Row,
    formats::parse_rows,
    source::{Chats, DataFiles, Source},
    tokenize::TokenizeError,
};
use titer_engine::{
    doctor::{Check, CheckOutcome, examine, plain_chats},
    inputs::Inputs,
    model::{Files, Model},
};

use super::{
    data::{is_spec, of_spec},
    open::fetch,
};
use crate::{
    args::DoctorArgs,
    printer::{Failure, data, spoken, talk, verbatim},
    width::{width, wrapped},
};

/// Measures what titer assumes on a model and its data. Fails where an assumption does not hold.
pub(crate) fn doctor(args: &DoctorArgs) -> Result<(), Failure> {
    if args.items == 0 {
        return Err(Failure::input("--items is 0; use at least 1"));
    }
    fetch(&args.model).map_err(Failure::input)?;
    let files = Files::find(&args.model, args.seed).map_err(Failure::input)?;
    let model = Model::from_files(&files).map_err(Failure::input)?;
    let model = model.with_template_options(&args.template.options()).map_err(Failure::input)?;
    let (compute, device) = args.compute.asked().or_default();
    let model = model.computing(compute, device).map_err(Failure::input)?;
    let (rows, source) = subjects(args, &model)?;
    let checks = examine(&files, &model, &rows, source.as_ref(), args.seed, args.items).map_err(Failure::input)?;
    if args.json {
        checks.iter().for_each(print_json);
    } else {
        checks.iter().for_each(print);
    }
    match checks.iter().filter(|check| check.verdict == CheckOutcome::Fail).count() {
        0 => Ok(()),
        failed => Err(Failure::Work(format!("{failed} of {} checks failed", checks.len()))),
    }
}

/// The rows to look at, and where contrasts come from: the files of a spec, a file of chats (which gives contrasts where
/// its rows have cells), the model's world, or a few chats of titer's own.
fn subjects(args: &DoctorArgs, model: &Model) -> Result<(Vec<Row>, Option<Source>), Failure> {
    match (&args.data, &model.world) {
        (Some(path), _) if is_spec(path) => {
            let chats = Chats::read(&of_spec(path)?).map_err(Failure::input)?;
            say(&chats);
            Ok((chats.trained().cloned().collect(), Some(Source::Chats(chats))))
        }
        (Some(path), _) => {
            let inputs = Inputs::default();
            let rows = parse_rows(path, &inputs.bytes(path).map_err(Failure::input)?).map_err(Failure::input)?;
            let files = DataFiles { rows: vec![path.clone()], probes: None, cells: Vec::new() };
            let labelled = rows.iter().any(|row| row.cell.is_some());
            let data = labelled.then(|| inputs.data(&files)).transpose().unwrap_or_else(|error| {
                talk(&format!("no contrasts from these rows: {error}"));
                None
            });
            let data = data.filter(|data| reads(model, data.chats()));
            data.iter().for_each(|data| say(data.chats()));
            Ok((rows, data.map(|data| Source::clone(&data.source))))
        }
        (None, Some(world)) => {
            let rows = Cell::all().flat_map(|cell| world.cell_rows(args.seed, cell, 2)).collect();
            Ok((rows, Some(Source::from(world.clone()))))
        }
        (None, None) => Ok((plain_chats(), None)),
    }
}

/// What is to be known of the rows.
fn say(chats: &Chats) {
    chats.notes().iter().for_each(|note| spoken(&format!("note: {note}")));
}

/// Whether a model has the words of contrasts that are made of rows: the instruction in them is titer's, and a vocabulary of whole words may
/// lack it.
fn reads(model: &Model, chats: &Chats) -> bool {
    let mut unread = chats.contrasts().filter_map(|contrast| model.encoded(contrast).err());
    let Some(error) = unread.find(|error| matches!(error, TokenizeError::UnknownWord { .. })) else { return true };
    talk(&format!("no contrasts from these rows: {error}"));
    false
}

/// Where findings begin.
const INDENT: &str = "                              ";

fn print(check: &Check) {
    let text = format!("{}  {:22}  {}", check.verdict.word(), check.name, check.finding);
    wrapped(&text, INDENT, width()).iter().for_each(|line| data(line));
    if !check.remedy.is_empty() {
        wrapped(&format!("{INDENT}→ {}", check.remedy), INDENT, width()).iter().for_each(|line| data(line));
    }
}

fn print_json(check: &Check) {
    let line = json!({
        "check": check.name, "verdict": check.verdict.word().to_lowercase(), "number": check.number,
        "finding": check.finding, "remedy": check.remedy,
    });
    verbatim(&line.to_string());
}
