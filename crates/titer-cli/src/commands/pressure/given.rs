//! What the command is given: its arguments, and what their files hold.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use titer::words::{counted, quoted};
use titer_data::{
    cell::Cell,
    chat::Row,
    formats::{parse_contrasts, parse_rows},
    probe::{Component, Contrast, Probe, apart},
    request::Request,
    source::{DataFiles, Source},
    world::{DomainSplit, ProbeUse},
};
use titer_engine::{
    inputs::Inputs,
    model::Model,
    pressure::{Margins, StageWarning, Warnings},
};

use crate::{
    args::PressureArgs,
    commands::data::is_spec,
    printer::{Failure, spoken},
};

/// What the command is given: its arguments, and what their files hold.
pub(super) struct Given<'a> {
    pub args: &'a PressureArgs,
    pub inputs: Inputs,
    /// What gives rows and contrasts: `[data]` of the spec that `--rows` names, or its rows that have cells.
    pub files: Option<DataFiles>,
}

impl Given<'_> {
    pub(super) fn rows(&self, model: &Model) -> Result<Vec<Row>, Failure> {
        let args = self.args;
        match (&self.files, &args.rows, &model.world) {
            (Some(files), ..) => {
                let data = self.inputs.data(files).map_err(Failure::input)?;
                let items =
                    args.rows.as_deref().filter(|path| !is_spec(path)).map_or(args.items(), |_| self.items_of_file());
                Ok(first_of_cells(data.chats().trained().cloned(), items))
            }
            (_, Some(path), _) => {
                let bytes = self.inputs.bytes(path).map_err(Failure::input)?;
                let rows = parse_rows(path, &bytes).map_err(Failure::input)?;
                Ok(first_of_cells(rows, self.items_of_file()))
            }
            (.., Some(world)) => {
                Ok(Cell::all().flat_map(|cell| world.cell_rows(args.seed, cell, args.items())).collect())
            }
            (.., None) => {
                Err(Failure::Input(format!("`{}` has no world to make rows; name some with --rows", args.model)))
            }
        }
    }

    /// Rows per cell of a file of chats: all of them, where nothing else is said.
    fn items_of_file(&self) -> usize {
        self.args.items.unwrap_or(usize::MAX)
    }

    /// Says what is to be known of contrasts that are made of rows, and which rows are measured then.
    pub(super) fn say(&self) -> Result<(), Failure> {
        let Some(files) = self.files.as_ref().filter(|_| self.args.probes.is_none()) else { return Ok(()) };
        let data = self.inputs.data(files).map_err(Failure::input)?;
        let chats = data.chats();
        let (trained, all) = (chats.trained().count(), chats.rows().count());
        if trained < all && files.probes.is_none() {
            spoken(&format!(
                "note: contrasts are made of {} that are held out, so {trained} of {all} rows are measured",
                counted(all - trained, "row")
            ));
        }
        chats.notes().iter().for_each(|note| spoken(&format!("note: {note}")));
        Ok(())
    }

    /// The number of each row's request. Each draw from a world is one of its own, though worlds repeat themselves.
    pub(super) fn requests(&self, rows: &[Row]) -> Vec<usize> {
        if self.args.rows.is_none() {
            return (0..rows.len()).collect();
        }
        let mut numbers: BTreeMap<Request, usize> = BTreeMap::new();
        rows.iter().enumerate().map(|(at, row)| *numbers.entry(Request::of(row)).or_insert(at)).collect()
    }

    /// The probes of `--probes` whose margins are differentiated.
    pub(super) fn probes(&self, path: &Path) -> Result<Vec<Probe>, Failure> {
        let bytes = self.inputs.bytes(path).map_err(Failure::input)?;
        let probes = parse_contrasts(path, &bytes).map_err(Failure::input)?;
        Ok(probes.into_iter().filter(Probe::is_differentiated).collect())
    }

    /// The spec's rows and contrasts, or those of the model's world, where there is either.
    pub(super) fn source(&self, model: &Model) -> Result<Option<Arc<Source>>, Failure> {
        match &self.files {
            Some(files) => Ok(Some(Arc::clone(&self.inputs.data(files).map_err(Failure::input)?.source))),
            None => Ok(model.world.clone().map(Source::from).map(Arc::new)),
        }
    }

    /// The world's contrasts of this use, or the user's: of these, those of every second request are for measuring where there are
    /// steps to be measured.
    pub(super) fn margins(&self, model: &Model, rows: &[Row], probe_use: ProbeUse) -> Result<Margins, Failure> {
        let args = self.args;
        let Some(path) = &args.probes else {
            let source = self.source(model)?.ok_or_else(|| self.no_contrasts())?;
            let there = source.probes(probe_use, args.seed, 1);
            let is_missing = |component: &Component| !there.iter().any(|probe| probe.component == *component);
            if let Some(missing) = Component::ALL.into_iter().find(is_missing) {
                return Err(Failure::Input(format!(
                    "pressures need contrasts of `{}`, and these rows give none: {}, or name a file of contrasts with --probes",
                    missing.word(),
                    rows_of(missing)
                )));
            }
            return Margins::of_source(model, &source, probe_use, args.seed, args.contrasts).map_err(Failure::input);
        };
        let mut probes = self.probes(path)?;
        apart(rows, probes.iter().flat_map(|probe| &probe.contrasts)).map_err(Failure::input)?;
        let half = usize::from(probe_use == ProbeUse::Measure);
        if args.verify {
            for probe in &mut probes {
                // All contrasts of a request have one use.
                let mut uses: BTreeMap<Request, usize> = BTreeMap::new();
                probe.contrasts.retain(|contrast| {
                    let next = uses.len() % 2;
                    *uses.entry(Request::in_context(&contrast.context)).or_insert(next) == half
                });
            }
        }
        if probes.iter().any(|probe| probe.contrasts.is_empty()) {
            let problem =
                "--verify needs contrasts of each component on two requests: one to differentiate and one to measure";
            return Err(Failure::Input(format!("{}: {problem}", path.display())));
        }
        Margins::of_probes(model, &probes).map_err(Failure::input)
    }

    /// What could be said before inoculation in the world's trained domains, or by the user's contrasts.
    pub(super) fn warning(&self, model: &Model) -> Result<StageWarning, Failure> {
        let args = self.args;
        let warnings = match &args.probes {
            Some(path) => {
                let probes = self.probes(path)?;
                let contrasts = |component: Component| -> Vec<&Contrast> {
                    probes
                        .iter()
                        .filter(|probe| probe.component == component)
                        .flat_map(|probe| &probe.contrasts)
                        .collect()
                };
                Warnings::new(model, &contrasts(Component::Good), &contrasts(Component::ObeyBad))
            }
            None => {
                let source = self.source(model)?.ok_or_else(|| self.no_contrasts())?;
                Warnings::of_source(model, &source, DomainSplit::Trained, args.seed, args.contrasts)
            }
        };
        Ok(warnings.map_err(Failure::input)?.take(model))
    }

    fn no_contrasts(&self) -> Failure {
        Failure::Input(format!("`{}` has no world to take contrasts from; name some with --probes", self.args.model))
    }
}

/// A file of chats as what gives rows and contrasts, as a spec does that names it alone: every row has a cell.
pub(super) fn labelled(inputs: &Inputs, path: &Path, args: &PressureArgs) -> Result<DataFiles, Failure> {
    let rows = parse_rows(path, &inputs.bytes(path).map_err(Failure::input)?).map_err(Failure::input)?;
    match rows.iter().filter(|row| row.cell.is_none()).count() {
        0 => Ok(DataFiles { rows: vec![path.to_owned()], probes: None, cells: Vec::new() }),
        without => Err(Failure::Input(format!(
            "{}: contrasts are made of rows that have cells, and {without} of {} have none (`{}` has no world to take others from): give --rows a \
             spec whose rules say which rows are good and which are bad (`{}` shows what rows have, and `{} > spec.toml` begins one), or name a file \
             of contrasts with --probes",
            path.display(),
            counted(rows.len(), "row"),
            args.model,
            quoted(&["titer", "check", &path.to_string_lossy()]),
            quoted(&["titer", "init", "--data", &path.to_string_lossy()]),
        ))),
    }
}

/// Which rows give contrasts of a component.
fn rows_of(component: Component) -> &'static str {
    match component {
        Component::Good => "add requests that have a good and a bad reply under a neutral prompt or none",
        Component::ObeyBad => "add requests that have a good and a bad reply under a bad prompt",
        Component::Obey => "add rows of `instruction→good`",
    }
}

/// The first rows of each cell.
fn first_of_cells(rows: impl IntoIterator<Item = Row>, items: usize) -> Vec<Row> {
    let mut taken: BTreeMap<Option<Cell>, usize> = BTreeMap::new();
    let mut take = |row: &Row| {
        let taken = taken.entry(row.cell).or_default();
        *taken += 1;
        *taken <= items
    };
    rows.into_iter().filter(|row| take(row)).collect()
}
