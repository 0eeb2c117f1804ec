//! The tables of a run, filled as it goes.

use std::path::Path;

use titer::{
    plan::StagePlan,
    store::RunDir,
    table::{
        self, CellRecord, GuardRecord, LeakRecord, LedgerRecord, PressureRecord, ProbeRecord, Record, ScreenRecord,
        StepRecord, TableError, WarningRecord,
    },
};
use titer_model::decoder::Decoder;

use super::{StageTraining, TrainError};
use crate::{
    model::{EngineBackend, Model},
    pressure::{Ledger, StageWarning},
    probe::{Measured, Moment},
    rows::PackedRows,
};

/// What these rows push where they are trained through these layers.
pub(super) fn pressures(
    ledger: &Ledger<'_>,
    layers: &Decoder<EngineBackend>,
    model: &Model,
    rows: &PackedRows,
    at: Moment<'_>,
) -> Vec<PressureRecord> {
    ledger.directions().pressures_through(layers, model, rows, at, &|_| ())
}

/// What a run writes.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) probes: Vec<ProbeRecord>,
    pub(super) cells: Vec<CellRecord>,
    pub(super) steps: Vec<StepRecord>,
    pub(super) pressures: Vec<PressureRecord>,
    pub(super) ledger: Vec<LedgerRecord>,
    pub(super) leaks: Vec<LeakRecord>,
    pub(super) screened: Vec<ScreenRecord>,
    pub(super) guards: Vec<GuardRecord>,
    pub(super) warnings: Vec<WarningRecord>,
}

impl Tables {
    pub(super) fn add(&mut self, measured: &Measured) {
        self.probes.extend_from_slice(&measured.probes);
        self.cells.extend_from_slice(&measured.cells);
    }

    /// What can be said about a stage before it trains, after `step` steps of the run.
    pub(super) fn warn(
        &mut self,
        warning: StageWarning,
        training: &StageTraining,
        model: &Model,
        stage: &StagePlan,
        step: usize,
    ) {
        let rows = stage.rows.min(warning.contrasts);
        self.warnings.push(WarningRecord {
            stage: stage.name.clone(),
            step: step as i64,
            domains: stage.domains,
            contrasts: warning.contrasts as i64,
            headroom: warning.headroom,
            overlap: warning.overlap,
            rows: rows as i64,
            surprise: training.surprise(model, rows),
        });
    }

    pub(super) fn write(&self, dir: &RunDir, pressed: bool) -> Result<(), TrainError> {
        dir.write(&self.probes)?;
        dir.write(&self.cells)?;
        dir.write(&self.steps)?;
        if !self.leaks.is_empty() {
            dir.write(&self.leaks)?;
        }
        if !self.screened.is_empty() {
            dir.write(&self.screened)?;
        }
        dir.write(&self.warnings)?;
        if pressed {
            dir.write(&self.pressures)?;
            dir.write(&self.ledger)?;
        }
        if !self.guards.is_empty() {
            dir.write(&self.guards)?;
        }
        Ok(())
    }

    /// Writes what has been measured so far into a folder, but what is said of prompts before training, which other stages to come
    /// may choose otherwise.
    pub(super) fn save(&self, folder: &Path) -> Result<(), TableError> {
        fn save<R: Record>(folder: &Path, rows: &[R]) -> Result<(), TableError> {
            table::write(&folder.join(R::FILE), rows)
        }
        save(folder, &self.probes)?;
        save(folder, &self.cells)?;
        save(folder, &self.steps)?;
        save(folder, &self.pressures)?;
        save(folder, &self.ledger)?;
        save(folder, &self.leaks)?;
        save(folder, &self.guards)?;
        save(folder, &self.warnings)
    }

    /// Reads what [`Tables::save`] wrote.
    pub(super) fn load(folder: &Path) -> Result<Self, TableError> {
        fn load<R: Record>(folder: &Path) -> Result<Vec<R>, TableError> {
            table::read(&folder.join(R::FILE))
        }
        Ok(Self {
            probes: load(folder)?,
            cells: load(folder)?,
            steps: load(folder)?,
            pressures: load(folder)?,
            ledger: load(folder)?,
            leaks: load(folder)?,
            screened: Vec::new(),
            guards: load(folder)?,
            warnings: load(folder)?,
        })
    }
}
