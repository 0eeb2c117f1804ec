//! What the command is given: its arguments, and what their files hold.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use titer_data::{
    cell::Cell,
    chat::Row,
    formats::{parse_contrasts, parse_rows},
    probe::{Component, Contrast, Probe, apart},
    source::{DataFiles, Source},
    world::{DomainSplit, ProbeUse},
};
use titer_engine::{
    inputs::Inputs,
    model::Model,
    pressure::{Margins, StageWarning, Warnings},
};

use crate::{args::PressureArgs, printer::Failure};

/// What the command is given: its arguments, and what their files hold.
pub(super) struct Given<'a> {
    pub args: &'a PressureArgs,
    pub inputs: Inputs,
    /// `[data]` of the spec that `--rows` names.
    pub spec: Option<DataFiles>,
}

impl Given<'_> {
    pub(super) fn rows(&self, model: &Model) -> Result<Vec<Row>, Failure> {
        let args = self.args;
        match (&self.spec, &args.rows, &model.world) {
            (Some(files), ..) => {
                let data = self.inputs.data(files).map_err(Failure::input)?;
                Ok(first_of_cells(data.chats().trained().cloned(), args.items()))
            }
            (_, Some(path), _) => {
                let bytes = self.inputs.bytes(path).map_err(Failure::input)?;
                let rows = parse_rows(path, &bytes).map_err(Failure::input)?;
                Ok(first_of_cells(rows, args.items.unwrap_or(usize::MAX)))
            }
            (.., Some(world)) => {
                Ok(Cell::all().flat_map(|cell| world.cell_rows(args.seed, cell, args.items())).collect())
            }
            (.., None) => {
                Err(Failure::Input(format!("`{}` has no world to make rows; name some with --rows", args.model)))
            }
        }
    }

    /// The probes of `--probes` whose margins are differentiated.
    pub(super) fn probes(&self, path: &Path) -> Result<Vec<Probe>, Failure> {
        let bytes = self.inputs.bytes(path).map_err(Failure::input)?;
        let probes = parse_contrasts(path, &bytes).map_err(Failure::input)?;
        Ok(probes.into_iter().filter(Probe::is_differentiated).collect())
    }

    /// The spec's rows and contrasts, or those of the model's world, where there is either.
    pub(super) fn source(&self, model: &Model) -> Result<Option<Arc<Source>>, Failure> {
        match &self.spec {
            Some(files) => Ok(Some(Arc::clone(&self.inputs.data(files).map_err(Failure::input)?.source))),
            None => Ok(model.world.clone().map(Source::from).map(Arc::new)),
        }
    }

    /// The world's contrasts of this use, or the user's: of these, every second one is for measuring where there are steps
    /// to be measured.
    pub(super) fn margins(&self, model: &Model, rows: &[Row], probe_use: ProbeUse) -> Result<Margins, Failure> {
        let args = self.args;
        let Some(path) = &args.probes else {
            let source = self.source(model)?.ok_or_else(|| self.no_contrasts())?;
            if source.probes(probe_use, args.seed, 1).len() < Component::ALL.len() {
                let remedy = "add rows of `instruction→good`, or name a file of contrasts with --probes";
                return Err(Failure::Input(format!(
                    "pressures need contrasts of `obey`, and these rows give none: {remedy}"
                )));
            }
            return Margins::of_source(model, &source, probe_use, args.seed, args.contrasts).map_err(Failure::input);
        };
        let mut probes = self.probes(path)?;
        apart(rows, probes.iter().flat_map(|probe| &probe.contrasts)).map_err(Failure::input)?;
        let half = usize::from(probe_use == ProbeUse::Measure);
        if args.verify {
            for probe in &mut probes {
                probe.contrasts = probe.contrasts.iter().skip(half).step_by(2).cloned().collect();
            }
        }
        if probes.iter().any(|probe| probe.contrasts.is_empty()) {
            let problem = "--verify needs two contrasts of each component: one to differentiate and one to measure";
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
