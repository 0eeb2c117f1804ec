//! `titer pressure`

mod kernel;
mod summary;
mod verification;

use std::{collections::BTreeMap, path::Path};

use titer::{
    spec::Lora,
    table::{self, Field, Labels, unitless},
};
use titer_data::{
    cell::Cell,
    chat::{Message, Row},
    formats::{read_contrasts, read_rows},
    probe::Contrast,
    source::{Chats, Source},
    world::{DomainSplit, ProbeUse},
};
use titer_engine::{
    model::{Files, Model, Optimiser},
    pressure::{Directions, Margins, Steps, Warning, Warnings, verify},
    probe::Moment,
    rows::{Rows, RowsError},
};

use super::{
    data::{is_spec, of_spec},
    fetch, has_folder,
};
use crate::{
    args::{Precondition, PressureArgs},
    printer::{Failure, talk},
    progress::Bar,
};

/// Measures what every row's gradient does to each component; a table a row, and means a cell.
pub fn pressure(args: &PressureArgs) -> Result<(), Failure> {
    check(args)?;
    let mut model = open(args)?;
    let optimiser = match args.precondition {
        Precondition::None => None,
        Precondition::Adam => {
            let checkpoint = args.adapter.as_deref().unwrap_or(Path::new(&args.base));
            Some(model.optimiser(checkpoint).map_err(Failure::input)?)
        }
    };
    let rows = rows(args, &model)?;
    let differentiated = margins(args, &model, &rows, ProbeUse::Gradient)?;
    if !args.verify {
        let kernel = args.kernel.as_deref().map(|dir| kernel::Wanted::new(args, &model, dir)).transpose()?;
        pressed(args, &model, &differentiated, &rows, optimiser.as_ref())?;
        return kernel.map_or(Ok(()), |kernel| kernel.write(&model));
    }
    let measured = margins(args, &model, &rows, ProbeUse::Measure)?;
    verified(args, &mut model, &differentiated, &measured, &rows, optimiser)
}

/// What can be said about the arguments before anything is read.
fn check(args: &PressureArgs) -> Result<(), Failure> {
    if args.items == 0 || args.contrasts == 0 {
        return Err(Failure::input("--items or --contrasts is 0; use at least 1"));
    }
    let numbers = args.lr.iter().chain([&args.weight]).chain(&args.multiples);
    if let Some(number) = numbers.into_iter().find(|number| !(number.is_finite() && **number > 0.0)) {
        return Err(Failure::Input(format!("{number} is no rate; use numbers above 0")));
    }
    if let Some(dir) = &args.kernel {
        kernel::check(args, dir)?;
    }
    args.out.as_deref().map_or(Ok(()), has_folder)?;
    match args.out.as_ref().filter(|out| out.exists()) {
        Some(out) => Err(Failure::Input(format!("{} exists already; name another file with --out", out.display()))),
        None => Ok(()),
    }
}

fn open(args: &PressureArgs) -> Result<Model, Failure> {
    fetch(&args.base).map_err(Failure::input)?;
    let files = Files::find(&args.base, args.seed).map_err(Failure::input)?.rounded(args.dtype);
    let model = Model::from_files(&files).map_err(Failure::input)?.with_system_in_user(args.system_in_user);
    match (&args.adapter, args.lora) {
        (Some(folder), _) => model.with_adapter(folder).map_err(Failure::input),
        (None, Some(rank)) => model.with_lora(&Lora::of_rank(rank), args.seed).map_err(Failure::input),
        (None, None) if args.verify || args.kernel.is_some() => Ok(model.thawed()),
        (None, None) => Ok(model),
    }
}

fn rows(args: &PressureArgs, model: &Model) -> Result<Vec<Row>, Failure> {
    match (&args.rows, &model.world) {
        (Some(path), _) if is_spec(path) => Ok(trained(&chats(path)?, args.items)),
        (Some(path), _) => read_rows(path).map_err(Failure::input),
        (None, Some(world)) => Ok(Cell::all().flat_map(|cell| world.cell_rows(args.seed, cell, args.items)).collect()),
        (None, None) => {
            Err(Failure::Input(format!("`{}` has no world to make rows; name some with --rows", args.base)))
        }
    }
}

/// The rows and contrasts of a spec's `[data]`.
fn chats(spec: &Path) -> Result<Chats, Failure> {
    Chats::read(&of_spec(spec)?).map_err(Failure::input)
}

/// The first rows of each cell that are trained on.
fn trained(chats: &Chats, items: usize) -> Vec<Row> {
    let mut taken: BTreeMap<Option<Cell>, usize> = BTreeMap::new();
    let mut take = |row: &&Row| {
        let taken = taken.entry(row.cell).or_default();
        *taken += 1;
        *taken <= items
    };
    chats.trained().filter(|row| take(row)).cloned().collect()
}

/// The world's contrasts of this use, or the user's: of these, every second one is for measuring where there are steps
/// to be measured.
fn margins(args: &PressureArgs, model: &Model, rows: &[Row], probe_use: ProbeUse) -> Result<Margins, Failure> {
    let Some(path) = &args.probes else {
        if let Some(spec) = args.rows.as_deref().filter(|path| is_spec(path)) {
            let source = Source::Chats(chats(spec)?);
            return Margins::of_source(model, &source, probe_use, args.seed, args.contrasts).map_err(Failure::input);
        }
        let none = || format!("`{}` has no world to take contrasts from; name some with --probes", args.base);
        let world = model.world.clone().ok_or_else(|| Failure::Input(none()))?;
        return Margins::of_source(model, &Source::from(world), probe_use, args.seed, args.contrasts)
            .map_err(Failure::input);
    };
    let all = read_contrasts(path).map_err(Failure::input)?;
    apart(rows, all.iter().flatten())?;
    let half = usize::from(probe_use == ProbeUse::Measure);
    let mine = |contrasts: &[Contrast]| -> Vec<Contrast> {
        let wanted = contrasts.iter().enumerate().filter(|(at, _)| !args.verify || at % 2 == half);
        wanted.map(|(_, contrast)| contrast.clone()).collect()
    };
    let chosen = all.each_ref().map(|contrasts| mine(contrasts));
    if chosen.iter().any(Vec::is_empty) {
        let problem = "--verify needs two contrasts of each component: one to differentiate and one to measure";
        return Err(Failure::Input(format!("{}: {problem}", path.display())));
    }
    Margins::new(model, chosen.each_ref().map(|contrasts| contrasts.iter().collect())).map_err(Failure::input)
}

/// A row's pressure on a probe with its own context would say how well it is remembered.
fn apart<'a>(rows: &[Row], mut contrasts: impl Iterator<Item = &'a Contrast>) -> Result<(), Failure> {
    let contexts: BTreeMap<&[Message], &str> = rows.iter().map(|row| (row.split().0, row.id.as_str())).collect();
    let shared =
        contrasts.find_map(|contrast| Some((contrast.id.as_str(), *contexts.get(contrast.context.as_slice())?)));
    match shared {
        Some((contrast, row)) => Err(Failure::Input(format!(
            "contrast `{contrast}` has the context of row `{row}`: rows must share no context with the probes that they \
             are measured against; remove one of them"
        ))),
        None => Ok(()),
    }
}

/// With `--lr`, the table says so.
const LR: Field = Field {
    unit: "learning rate",
    ..unitless(
        "lr",
        "What pressures and unique pushes are multiplied with, so that they are in nats per reply, and per step.",
    )
};

fn pressed(
    args: &PressureArgs,
    model: &Model,
    margins: &Margins,
    rows: &[Row],
    optimiser: Option<&Optimiser>,
) -> Result<(), Failure> {
    let rows = Rows::encode(model, rows).map_err(Failure::input)?;
    let directions = margins.directions(model);
    let directions = match optimiser {
        Some(optimiser) => directions.under(model, optimiser),
        None => directions,
    };
    let at = Moment { stage: "", step: optimiser.map_or(0, Optimiser::steps) };
    let of = |directions: &Directions, rows: &Rows| -> Vec<_> {
        let records = directions.pressures(model, rows, at).into_iter();
        records.map(|record| record.at_rate(args.lr.unwrap_or(1.0))).collect()
    };
    let records = of(&directions, &rows);
    if let Some(out) = &args.out {
        let written = if args.per_token { of(&directions, &rows.per_token(model)) } else { records.clone() };
        let labels = args.lr.map_or_else(Labels::default, |lr| Labels::number(&LR, lr));
        table::write_labelled(out, &labels, &written).map_err(Failure::work)?;
        talk(&format!("{} lines in {}", written.len(), out.display()));
    }
    summary::print(&directions, &records, &warning(args, model)?, &unit(args), args.json);
    Ok(())
}

/// What could be said before inoculation in the world's trained domains, or by the user's contrasts.
fn warning(args: &PressureArgs, model: &Model) -> Result<Warning, Failure> {
    let spec = args.rows.as_deref().filter(|path| is_spec(path));
    let source = match (spec, &model.world) {
        (Some(spec), _) => Some(Source::Chats(chats(spec)?)),
        (None, world) => world.clone().map(Source::from),
    };
    let warnings = match (&args.probes, source) {
        (Some(path), _) => {
            let [good, obey_bad, _] = read_contrasts(path).map_err(Failure::input)?;
            Warnings::new(model, &good.iter().collect::<Vec<_>>(), &obey_bad.iter().collect::<Vec<_>>())
        }
        (None, Some(source)) => Warnings::of_source(model, &source, DomainSplit::Trained, args.seed, args.contrasts),
        (None, None) => {
            return Err(Failure::Input(format!(
                "`{}` has no world to take contrasts from; name some with --probes",
                args.base
            )));
        }
    };
    Ok(warnings.map_err(Failure::input)?.take(model))
}

/// Sign and unit of a pressure.
fn unit(args: &PressureArgs) -> String {
    let step = match args.precondition {
        Precondition::None => "plain gradient descent",
        Precondition::Adam => "Adam, all steps that the momentum lasts,",
    };
    let per = match args.lr {
        Some(lr) => format!("per step at learning rate {lr}"),
        None => "per unit of learning rate".to_owned(),
    };
    format!("pressure: nats of margin {per}, {step} on one row; positive pushes the component up")
}

fn verified(
    args: &PressureArgs,
    model: &mut Model,
    differentiated: &Margins,
    measured: &Margins,
    rows: &[Row],
    optimiser: Option<Optimiser>,
) -> Result<(), Failure> {
    let lr = args.lr.unwrap_or(if optimiser.is_some() { 1e-4 } else { 0.03 });
    let steps = Steps { optimiser, lr, weight: args.weight, multiples: args.multiples.clone() };
    let bar = Bar::new((rows.len() * steps.multiples.len()) as u64);
    let found = verify(model, differentiated, measured, rows, &steps, args.seed, &|| bar.advance(1, "steps"));
    bar.clear();
    let found = found.map_err(|error: RowsError| Failure::input(error))?;
    if let Some(out) = &args.out {
        table::write(out, &found).map_err(Failure::work)?;
        talk(&format!("{} lines in {}", found.len(), out.display()));
    }
    verification::print(&found, args.json);
    Ok(())
}
