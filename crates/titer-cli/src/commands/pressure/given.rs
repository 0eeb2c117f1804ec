//! What the command is given: its arguments, and what their files hold.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use titer_data::{
    cell::Cell,
    chat::Row,
    formats::{parse_contrasts, parse_rows},
    probe::{Component, Contrast, apart},
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
                Err(Failure::Input(format!("`{}` has no world to make rows; name some with --rows", args.base)))
            }
        }
    }

    /// The contrasts of `--probes`, by component.
    pub(super) fn contrasts(&self, path: &Path) -> Result<[Vec<Contrast>; Component::ALL.len()], Failure> {
        let bytes = self.inputs.bytes(path).map_err(Failure::input)?;
        parse_contrasts(path, &bytes).map_err(Failure::input)
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
            return Margins::of_source(model, &source, probe_use, args.seed, args.contrasts).map_err(Failure::input);
        };
        let all = self.contrasts(path)?;
        apart(rows, all.iter().flatten()).map_err(Failure::input)?;
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
    pub(super) fn warning(&self, model: &Model) -> Result<StageWarning, Failure> {
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
