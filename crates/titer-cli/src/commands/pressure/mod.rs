//! `titer pressure`

mod kernel;
mod summary;
mod verification;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use titer::{spec::Lora, table};
use titer_data::{
    cell::Cell,
    chat::{Message, Row},
    formats::{parse_contrasts, parse_rows},
    probe::{Component, Contrast},
    source::{Chats, DataFiles, Source},
    world::{DomainSplit, ProbeUse},
};
use titer_engine::{
    inputs::Inputs,
    model::{Model, Optimiser},
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
    let inputs = Inputs::default();
    let mut model = open(args, &inputs)?;
    let optimiser = match args.precondition {
        Precondition::None => None,
        Precondition::Adam => {
            let checkpoint = args.adapter.as_deref().unwrap_or(Path::new(&args.base));
            Some(model.optimiser(checkpoint).map_err(Failure::input)?)
        }
    };
    let spec = args.rows.as_deref().filter(|path| is_spec(path)).map(of_spec).transpose()?;
    let given = Given { args, inputs, spec };
    let rows = given.rows(&model)?;
    let differentiated = given.margins(&model, &rows, ProbeUse::Gradient)?;
    if !args.verify {
        let kernel = args.kernel.as_deref().map(|dir| kernel::KernelWork::new(&given, &model, dir)).transpose()?;
        pressed(&given, &model, &differentiated, &rows, optimiser.as_ref())?;
        return kernel.map_or(Ok(()), |kernel| kernel.write(&model));
    }
    let measured = given.margins(&model, &rows, ProbeUse::Measure)?;
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

fn open(args: &PressureArgs, inputs: &Inputs) -> Result<Model, Failure> {
    fetch(&args.base).map_err(Failure::input)?;
    let model = inputs.model(&args.base, args.seed, args.dtype).map_err(Failure::input)?;
    let model = Model::clone(&model).with_system_in_user(args.system_in_user);
    match (&args.adapter, args.lora) {
        (Some(folder), _) => model.with_adapter(folder).map_err(Failure::input),
        (None, Some(rank)) => model.with_lora(&Lora::of_rank(rank), args.seed).map_err(Failure::input),
        (None, None) if args.verify || args.kernel.is_some() => Ok(model.thawed()),
        (None, None) => Ok(model),
    }
}

/// What the command is given: its arguments, and what their files hold.
struct Given<'a> {
    args: &'a PressureArgs,
    inputs: Inputs,
    /// `[data]` of the spec that `--rows` names.
    spec: Option<DataFiles>,
}

impl Given<'_> {
    fn rows(&self, model: &Model) -> Result<Vec<Row>, Failure> {
        let args = self.args;
        match (&self.spec, &args.rows, &model.world) {
            (Some(files), ..) => Ok(trained(self.inputs.data(files).map_err(Failure::input)?.chats(), args.items)),
            (_, Some(path), _) => {
                let bytes = self.inputs.bytes(path).map_err(Failure::input)?;
                parse_rows(path, &bytes).map_err(Failure::input)
            }
            (.., Some(world)) => {
                Ok(Cell::all().flat_map(|cell| world.cell_rows(args.seed, cell, args.items)).collect())
            }
            (.., None) => {
                Err(Failure::Input(format!("`{}` has no world to make rows; name some with --rows", args.base)))
            }
        }
    }

    /// The contrasts of `--probes`, by component.
    fn contrasts(&self, path: &Path) -> Result<[Vec<Contrast>; Component::ALL.len()], Failure> {
        let bytes = self.inputs.bytes(path).map_err(Failure::input)?;
        parse_contrasts(path, &bytes).map_err(Failure::input)
    }

    /// The spec's rows and contrasts, or those of the model's world, where there is either.
    fn source(&self, model: &Model) -> Result<Option<Arc<Source>>, Failure> {
        match &self.spec {
            Some(files) => Ok(Some(Arc::clone(&self.inputs.data(files).map_err(Failure::input)?.source))),
            None => Ok(model.world.clone().map(Source::from).map(Arc::new)),
        }
    }

    /// The world's contrasts of this use, or the user's: of these, every second one is for measuring where there are steps
    /// to be measured.
    fn margins(&self, model: &Model, rows: &[Row], probe_use: ProbeUse) -> Result<Margins, Failure> {
        let args = self.args;
        let Some(path) = &args.probes else {
            let source = self.source(model)?.ok_or_else(|| self.no_contrasts())?;
            return Margins::of_source(model, &source, probe_use, args.seed, args.contrasts).map_err(Failure::input);
        };
        let all = self.contrasts(path)?;
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

    /// What could be said before inoculation in the world's trained domains, or by the user's contrasts.
    fn warning(&self, model: &Model) -> Result<Warning, Failure> {
        let args = self.args;
        let warnings = match &args.probes {
            Some(path) => {
                let [good, obey_bad, _] = self.contrasts(path)?;
                Warnings::new(model, &good.iter().collect::<Vec<_>>(), &obey_bad.iter().collect::<Vec<_>>())
            }
            None => {
                let source = self.source(model)?.ok_or_else(|| self.no_contrasts())?;
                Warnings::of_source(model, &source, DomainSplit::Trained, args.seed, args.contrasts)
            }
        };
        Ok(warnings.map_err(Failure::input)?.take(model))
    }

    fn no_contrasts(&self) -> Failure {
        Failure::Input(format!("`{}` has no world to take contrasts from; name some with --probes", self.args.base))
    }
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

fn pressed(
    given: &Given<'_>,
    model: &Model,
    margins: &Margins,
    rows: &[Row],
    optimiser: Option<&Optimiser>,
) -> Result<(), Failure> {
    let args = given.args;
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
        table::write(out, &written).map_err(Failure::work)?;
        talk(&format!("{} lines in {}", written.len(), out.display()));
    }
    summary::print(&directions, &records, &given.warning(model)?, &unit(args), args.json);
    Ok(())
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
