//! `titer pressure`

use std::path::Path;

use titer::{
    spec::Lora,
    table::{Field, Labels, unitless},
};
use titer_data::{chat::Row, tokenize::TokenizeError, world::ProbeUse};
use titer_engine::{
    inputs::Inputs,
    model::{EngineOptimiser, Model, ModelCopies},
    pressure::{Margins, Pressing, Steps, verify},
    probe::Moment,
    rows::PackedRows,
};

use super::{
    given::{self, Given},
    kernel, summary, verification,
};
use crate::commands::{
    data::{is_spec, of_spec},
    open::fetch,
    outputs::{TABLES, endings, fresh},
    subjects::on_device,
};
use crate::{
    args::{Precondition, PressureArgs},
    printer::{Failure, table, wants_table},
    progress::Bar,
};

/// Measures what every row's gradient does to each component; a table a row, and means a cell.
pub(crate) fn pressure(args: &PressureArgs) -> Result<(), Failure> {
    check(args)?;
    let inputs = Inputs::default();
    let mut copies = open(args, &inputs)?;
    let model = copies.first();
    let optimiser = match args.precondition {
        Precondition::None => None,
        Precondition::Adam => {
            let checkpoint = args.adapter.as_deref().unwrap_or(Path::new(&args.model));
            Some(model.optimiser(checkpoint).map_err(Failure::input)?)
        }
    };
    let files = match &args.rows {
        Some(path) if is_spec(path) => Some(of_spec(path)?),
        Some(path) if args.probes.is_none() && model.world.is_none() => Some(given::labelled(&inputs, path, args)?),
        _ => None,
    };
    let given = Given { args, inputs, files };
    let rows = given.rows(model)?;
    given.say()?;
    let differentiated = given.margins(model, &rows, ProbeUse::Gradient)?;
    if !args.verify {
        let kernel = args.kernel.as_deref().map(|dir| kernel::KernelWork::new(&given, model, dir)).transpose()?;
        pressed(&given, &copies, &differentiated, &rows, optimiser.as_ref())?;
        return kernel.map_or(Ok(()), |kernel| kernel.write(model));
    }
    let measured = given.margins(model, &rows, ProbeUse::Measure)?;
    verified(args, copies.first_mut(), &differentiated, &measured, &rows, optimiser)
}

/// What can be said about the arguments before anything is read.
fn check(args: &PressureArgs) -> Result<(), Failure> {
    if args.items() == 0 || args.contrasts == 0 {
        return Err(Failure::input("--items or --contrasts is 0; use at least 1"));
    }
    if args.per_token && !wants_table(args.out.as_deref()) {
        return Err(Failure::input("--per-token is for the lines of a table: name its file with --out"));
    }
    let numbers = args.lr.iter().chain([&args.weight]).chain(&args.multiples);
    if let Some(number) = numbers.into_iter().find(|number| !(number.is_finite() && **number > 0.0)) {
        return Err(Failure::Input(format!("{number} is no rate; use numbers above 0")));
    }
    if let Some(dir) = &args.kernel {
        kernel::check(args, dir)?;
    }
    if args.verify { verification::columns() } else { summary::columns() }.knows(&args.view)?;
    fresh([("--out", args.out.as_ref())])?;
    endings([(args.out.as_ref(), &TABLES[..])])
}

fn open(args: &PressureArgs, inputs: &Inputs) -> Result<ModelCopies, Failure> {
    fetch(&args.model).map_err(Failure::input)?;
    let model = inputs.model(&args.model, args.seed, args.dtype).map_err(Failure::input)?;
    let model = Model::clone(&model).with_template_options(&args.template.options()).map_err(Failure::input)?;
    let model = match (&args.adapter, args.lora) {
        (Some(folder), _) => model.with_adapter(folder).map_err(Failure::input)?,
        (None, Some(rank)) => model.with_lora(&Lora::of_rank(rank), args.seed).map_err(Failure::input)?,
        (None, None) if args.verify || args.kernel.is_some() => model.thawed(),
        (None, None) => model,
    };
    let (compute, device) = args.compute.asked().or_default();
    // Real steps are taken by one model.
    let devices = if args.verify {
        model.computing(compute, device).map(|model| ModelCopies::of(vec![model]))
    } else {
        ModelCopies::over(model, compute, device)
    };
    on_device(devices)
}

/// Under Adam, the table says how much of its pressures is about weights that training has hardly touched.
const UNTOUCHED: Field = unitless(
    "untouched",
    "Under Adam, the largest share of a component's gradient that lies on weights which training has hardly touched: above .5 pressures speak of those.",
);

/// With `--lr`, the table says so.
const LR: Field = Field {
    unit: "learning rate",
    ..unitless(
        "lr",
        "What pressures and unique pushes are multiplied with, so that they are in nats per reply, and per step.",
    )
};

fn pressed(
    given: &Given<'_>,
    copies: &ModelCopies,
    margins: &Margins,
    rows: &[Row],
    optimiser: Option<&EngineOptimiser>,
) -> Result<(), Failure> {
    let (args, model) = (given.args, copies.first());
    let requests = given.requests(rows);
    let rows = PackedRows::encode(model, rows).map_err(Failure::input)?;
    let directions = margins.directions(model);
    let directions = match optimiser {
        Some(optimiser) => directions.under(model, optimiser),
        None => directions,
    };
    let at = Moment { stage: "", step: optimiser.map_or(0, EngineOptimiser::steps) };
    let pressing = Pressing::over(copies, directions);
    let directions = pressing.directions();
    let pressures = |rows: &PackedRows| -> Vec<_> {
        let bar = Bar::new(rows.len() as u64, if args.per_token { "rows and tokens" } else { "rows" });
        let finished = |rows: usize| bar.advance(rows as u64, "");
        let records = pressing.pressures(rows, at, &finished).into_iter();
        records.map(|record| record.at_rate(args.lr.unwrap_or(1.0))).collect()
    };
    let records = pressures(&rows);
    if wants_table(args.out.as_deref()) {
        let written = if args.per_token { pressures(&rows.per_token(model)) } else { records.clone() };
        let untouched = directions.untouched.iter().copied().fold(0.0, f64::max);
        let labels = args.lr.map(|lr| (&LR, lr)).into_iter().chain(optimiser.map(|_| (&UNTOUCHED, untouched)));
        let labels = Labels::numbers(labels);
        table(args.out.as_deref(), &labels, &written)?;
    }
    summary::print(directions, &records, &requests, &given.warning(model)?, &unit(args), args)
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
    optimiser: Option<EngineOptimiser>,
) -> Result<(), Failure> {
    let lr = args.lr.unwrap_or(if optimiser.is_some() { 1e-4 } else { 0.03 });
    let steps = Steps { optimiser, lr, weight: args.weight, multiples: args.multiples.clone() };
    let bar = Bar::new((rows.len() * steps.multiples.len()) as u64, "steps");
    let records = verify(model, differentiated, measured, rows, &steps, args.seed, &|| bar.advance(1, ""));
    bar.clear();
    let records = records.map_err(|error: TokenizeError| Failure::input(error))?;
    table(args.out.as_deref(), &Labels::default(), &records)?;
    verification::print(&records, args)
}
