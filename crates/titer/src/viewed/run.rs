//! What viewers are shown of a run.

use crate::{
    plan::RunId,
    store::{FinishedRun, StoreError, StoredRun, Sweep},
    table::{CellRecord, ProbeRecord, Record, StepRecord, TableError, read},
};

/// A finished run, as viewers are shown it.
#[derive(Clone, Debug)]
pub struct ViewedRun {
    /// The hash of its plan.
    pub id: RunId,
    /// The sweep's title.
    pub title: String,
    /// Its arm.
    pub arm: String,
    /// Its seed.
    pub seed: u64,
    /// When it started and when it was finished, in seconds since 1970; 0 where its events do not say.
    pub times: [f64; 2],
    /// Components on contrasts.
    pub probes: Vec<ProbeRecord>,
    /// Surprise of rows.
    pub cells: Vec<CellRecord>,
    /// Optimiser steps.
    pub steps: Vec<StepRecord>,
}

/// Why a run cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum ViewedError {
    /// Its folder is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A table cannot be read.
    #[error(transparent)]
    Table(#[from] TableError),
}

impl ViewedRun {
    /// Reads a run of a sweep; `None` where it is not finished.
    ///
    /// # Errors
    /// Where it is not as it was written.
    pub fn read(sweep: &Sweep, run: &StoredRun) -> Result<Option<Self>, ViewedError> {
        let Some(finished) = FinishedRun::at(&run.dir) else { return Ok(None) };
        finished.check()?;
        sweep.agrees(run, &finished.plan()?)?;
        fn table<R: Record>(run: &StoredRun) -> Result<Vec<R>, TableError> {
            read(&run.dir.join(R::FILE))
        }
        let (start, done) = run.times();
        let start = start.unwrap_or(0.0);
        Ok(Some(Self {
            id: run.id.clone(),
            title: sweep.record().title.clone(),
            arm: sweep.record().arm[run.arm].name.clone(),
            seed: run.seed,
            times: [start, done.unwrap_or(start)],
            probes: table(run)?,
            cells: table(run)?,
            steps: table(run)?,
        }))
    }

    /// What it is called, ARM/SEED.
    pub fn name(&self) -> String {
        format!("{}/{}", self.arm, self.seed)
    }
}
