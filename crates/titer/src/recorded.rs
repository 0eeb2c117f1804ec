//! A run that was trained elsewhere and measured on the way, as the folder of a sweep: what `titer run` would have written.

use std::path::Path;

use crate::{
    exec::{Progress, Runner, RunsFailed, Silent, execute},
    plan::{DataPlan, ModelPlan, RunPlan, SweepPlan},
    spec::{Spec, SpecError},
    store::{RunDir, StoreError, Sweep},
    table::{CellRecord, LedgerRecord, PressureRecord, ProbeRecord, StepRecord, TableError, WarningRecord},
};

/// What was measured.
#[derive(Clone, Debug, Default)]
pub struct RecordedTables {
    /// Components on contrasts.
    pub probes: Vec<ProbeRecord>,
    /// Surprise of rows.
    pub cells: Vec<CellRecord>,
    /// Steps.
    pub steps: Vec<StepRecord>,
    /// Pressures of rows.
    pub pressures: Vec<PressureRecord>,
    /// The ledger.
    pub ledger: Vec<LedgerRecord>,
}

/// Why it cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum RecordedError {
    /// Its spec makes no sense.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The folder cannot be one of a sweep.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be written.
    #[error(transparent)]
    Run(#[from] RunsFailed),
}

/// Writes a run of the first arm of `spec`, on a model and rows with these hashes, into the folder of a sweep of its own. What titer adds as
/// its control stays without a run.
///
/// # Errors
/// Where the spec makes no sense, the folder holds something else, or the file system refuses.
pub fn record(
    dir: &Path,
    spec: &Spec,
    model_hash: &str,
    data_hash: &str,
    tables: &RecordedTables,
) -> Result<(), RecordedError> {
    let mut plan = SweepPlan::resolve(spec)?;
    plan.command = "a training loop of its own, measured by titer's hooks".to_owned();
    let data = plan.data.clone().map(|files| DataPlan { blake3: data_hash.to_owned(), numerics: 0, files });
    let model = |base: &str, _: u64| {
        Ok::<_, SpecError>(ModelPlan {
            base: base.to_owned(),
            blake3: model_hash.to_owned(),
            numerics: 0,
            dtype: plan.dtype.clone(),
            compute: plan.compute,
            device: plan.device,
            template: plan.template.clone(),
            lora: plan.lora.clone(),
        })
    };
    let runs = plan.runs(data.as_ref(), model)?;
    let sweep = Sweep::create(dir, &plan, &runs)?;
    execute(&sweep, &runs[..runs.len().min(1)], &Written(tables), std::num::NonZero::<usize>::MIN, &Silent)?;
    Ok(())
}

/// A run that has been made already.
struct Written<'a>(&'a RecordedTables);

impl Runner for Written<'_> {
    type Error = TableError;

    fn run(&self, _: &RunPlan, dir: &RunDir, _: &dyn Progress) -> Result<(), TableError> {
        let RecordedTables { probes, cells, steps, pressures, ledger } = self.0;
        dir.write(probes)?;
        dir.write(cells)?;
        dir.write(steps)?;
        dir.write::<WarningRecord>(&[])?;
        dir.write(pressures)?;
        dir.write(ledger)
    }
}
