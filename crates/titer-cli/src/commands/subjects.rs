//! The model and the rows that prompts are tried on.

use std::path::Path;

use titer_data::{chat::Row, formats::read_rows};
use titer_engine::{model::Model, screen::Subjects};

use super::open::fetch;
use crate::{args::SubjectArgs, printer::Failure};

/// The model of these arguments.
pub(super) fn open(args: &SubjectArgs) -> Result<Model, Failure> {
    fetch(&args.base).map_err(Failure::input)?;
    let (compute, device) = args.compute.asked().or_default();
    let model = Model::open_computing(&args.base, args.seed, compute, device).map_err(Failure::input)?;
    let model = model.with_template_options(&args.template.options()).map_err(Failure::input)?;
    match &args.adapter {
        Some(folder) => model.with_adapter(folder).map_err(Failure::input),
        None => Ok(model),
    }
}

/// The rows of these arguments, at most so many of each action.
pub(super) fn subjects(args: &SubjectArgs, model: &Model) -> Result<Subjects, Failure> {
    if args.items == 0 {
        return Err(Failure::input("--items is 0; use at least 1"));
    }
    let read = |path: &Path| -> Result<Vec<Row>, Failure> { read_rows(path).map_err(Failure::input) };
    let named = |path: &Path, subjects: Result<Subjects, titer_engine::screen::SubjectsError>| {
        subjects.map_err(|error| Failure::Input(format!("{}: {error}", path.display())))
    };
    let subjects = match (&args.rows, &args.bad, &args.good, &model.world) {
        (Some(rows), ..) => named(rows, Subjects::labelled(read(rows)?))?,
        (None, Some(bad), Some(good), _) => named(bad, Subjects::new(read(bad)?, read(good)?))?,
        (.., Some(world)) => return Subjects::of_world(world, args.seed, args.items).map_err(Failure::input),
        _ => {
            let problem = "has no world to make rows; name some with --rows, or with --bad and --good";
            return Err(Failure::Input(format!("`{}` {problem}", args.base)));
        }
    };
    Ok(subjects.first(args.items))
}
