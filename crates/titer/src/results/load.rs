//! From a sweep's folder to its results.

use std::{io, path::Path};

use titer_data::formats::read_rows;

use super::{ArmResults, RunResults, SweepResults, SweptAxis};
use crate::{
    plan::{RunId, Setting},
    store::{FinishedRun, Origin, RunDir, StoreError, StoredPlan, StoredRun, StoredStage, Sweep},
    table::{self, LedgerRecord, TableError},
};

/// Why a sweep's results cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// The file system refused; the message names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The folder holds no sweep that can be read, or a finished run in it is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SweepResults {
    /// Reads a sweep and the tables of its finished runs.
    ///
    /// # Errors
    /// Where the folder holds no sweep, or a finished run is not as it was written or cannot be read.
    pub fn load(sweep_dir: &Path) -> Result<Self, ResultsError> {
        let sweep = Sweep::open(sweep_dir)?;
        let record = sweep.record();
        let axis = |axis: &crate::store::AxisRecord| SweptAxis {
            name: axis.name.clone(),
            values: axis.values.iter().map(Setting::of).collect(),
        };
        let arm = |(index, arm): (usize, &crate::store::ArmRecord)| ArmResults {
            name: arm.name.clone(),
            settings: arm.settings.iter().map(|(name, value)| (name.clone(), Setting::of(value))).collect(),
            control: (arm.control != index).then_some(arm.control),
            inoculates: arm.inoculates,
            inoculation: arm.inoculation.clone(),
            runs: Vec::new(),
        };
        let mut data = Self {
            title: record.title.clone(),
            question: record.question.clone(),
            axes: record.axis.iter().map(axis).collect(),
            arms: record.arm.iter().enumerate().map(arm).collect(),
            seeds: record.seeds.clone(),
            command: record.command.clone(),
            spec: record.spec.clone(),
            plan: String::new(),
            version: record.titer.clone(),
            quick: record.quick,
        };
        for stored in sweep.runs() {
            let Some(finished) = FinishedRun::at(&stored.dir) else { continue };
            let (run, plan) = read(&finished, stored.seed, stored.id.clone())?;
            sweep.agrees(&stored, &plan)?;
            let StoredRun { arm, .. } = stored;
            data.arms[arm].runs.push(run);
            if data.plan.is_empty() {
                data.plan = plan.text;
            }
        }
        Ok(data)
    }
}

impl RunResults {
    /// Reads a finished run.
    ///
    /// # Errors
    /// Where it is not as it was written, or cannot be read.
    pub fn read(finished: &FinishedRun, seed: u64, id: RunId) -> Result<Self, ResultsError> {
        Ok(read(finished, seed, id)?.0)
    }
}

fn read(finished: &FinishedRun, seed: u64, id: RunId) -> Result<(RunResults, StoredPlan), StoreError> {
    finished.check()?;
    let plan = finished.plan()?;
    let run = tables(finished.dir(), seed, id, &plan).map_err(|error| finished.damage(error))?;
    let started = finished.start()?;
    let run = run.with_claims(started.claims).with_instruction_set(started.instruction_set).with_device(started.device);
    let run = run.with_origin(Origin::read(finished.dir())?);
    let drawn = finished.dir().join(RunDir::DRAWN);
    let drawn = if drawn.exists() { read_rows(&drawn).map_err(|error| finished.damage(error))? } else { Vec::new() };
    let run = run.with_drawn(drawn);
    Ok((run.with_shared_items(plan.data.is_some()), plan))
}

fn tables(dir: &Path, seed: u64, id: RunId, plan: &StoredPlan) -> Result<RunResults, TableError> {
    fn rows<R: table::Record>(dir: &Path) -> Result<Vec<R>, TableError> {
        table::read(&dir.join(R::FILE))
    }
    /// Of a table that only some specs ask for, or that runs of older versions do not have.
    fn rows_if_there<R: table::Record>(dir: &Path) -> Result<Vec<R>, TableError> {
        if dir.join(R::FILE).exists() { rows(dir) } else { Ok(Vec::new()) }
    }
    let run = RunResults::new(seed, id.0, rows(dir)?, rows(dir)?, rows(dir)?);
    let run = run.with_prompts(rows_if_there(dir)?, rows_if_there(dir)?);
    let run = run.with_stages(ends(plan)).with_guards(rows_if_there(dir)?).with_warnings(rows_if_there(dir)?);
    // Only a run whose spec asks for pressures has these two, and then both.
    let pressed = dir.join(<LedgerRecord as table::Record>::FILE).exists();
    if pressed { Ok(run.with_pressure(rows(dir)?, rows(dir)?)) } else { Ok(run) }
}

/// The stages in a run's plan, each with the run's steps at its end.
fn ends(plan: &StoredPlan) -> Vec<(String, i64)> {
    let mut done = 0;
    let end = |stage: &StoredStage| {
        done += stage.steps;
        (stage.name.clone(), done)
    };
    plan.stages.iter().map(end).collect()
}
