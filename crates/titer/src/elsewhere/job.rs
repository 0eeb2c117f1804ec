//! A stage as a job for another trainer.

use super::{RowCounts, RowForm};
use crate::{plan::StagePlan, spec::Lora};

/// A stage as a job for another trainer: what it starts from, what it trains on, where the result goes. Paths are seen from the
/// folder of the export.
#[derive(Clone, Copy, Debug)]
pub struct StageJob<'a> {
    /// The stage.
    pub stage: &'a StagePlan,
    /// The seed.
    pub seed: u64,
    /// The adapters that are trained; `None` for all weights.
    pub lora: Option<&'a Lora>,
    /// The model that it starts from.
    pub model: &'a str,
    /// The adapters that it goes on with, where an earlier stage has trained them.
    pub adapter: Option<&'a str>,
    /// What its rows are called in names of files and data sets.
    pub name: &'a str,
    /// The file of its rows.
    pub rows: &'a str,
    /// How they are written.
    pub form: RowForm,
    /// What is in them.
    pub counts: RowCounts,
    /// Where the result goes.
    pub to: &'a str,
}

impl StageJob<'_> {
    /// By how much a gradient is longer where the loss is a mean over target tokens, as it is in other trainers, and not over rows: exact
    /// for a batch of mean length.
    pub(super) fn longer(&self) -> f64 {
        self.stage.divisor / self.counts.mean_trained()
    }
}
