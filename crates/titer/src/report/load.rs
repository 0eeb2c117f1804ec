//! From a sweep's folder to its report.

use std::path::Path;

use super::page::{Report, ReportError, found, render};
use crate::{
    claim::{self, Claim},
    files::write_whole,
    forecast::SavedForecast,
    plan::SweepPlan,
    results::SweepResults,
};

impl Report {
    /// Reads a sweep, its claims, and what was foreseen of it.
    ///
    /// # Errors
    /// Where the folder holds no sweep, or a file of it cannot be read.
    pub fn load(sweep_dir: &Path) -> Result<Self, ReportError> {
        let results = SweepResults::load(sweep_dir)?;
        let claims = claims(&results)?;
        Ok(Self { claims, forecast: SavedForecast::read(sweep_dir)?, results })
    }

    /// Writes it as one HTML file, whole or not at all; replaces an older one. Returns what was found, the sentences with which it opens.
    ///
    /// # Errors
    /// Where no run is finished, or the file cannot be written.
    pub fn write(&self, out: &Path) -> Result<Vec<String>, ReportError> {
        write_whole(out, render(self)?.as_bytes())?;
        Ok(found(self))
    }
}

/// The claims in the spec that a sweep was planned from. Its arms are those of the record, unless another version of titer
/// planned them.
fn claims(results: &SweepResults) -> Result<Vec<Claim>, ReportError> {
    let spec = results.read_spec()?;
    if spec.claims.is_empty() {
        return Ok(Vec::new());
    }
    let plan = SweepPlan::resolve(&spec)?;
    let planned = plan.arms.iter().map(|arm| &arm.name);
    if planned.eq(results.arms.iter().map(|arm| &arm.name)) {
        Ok(claim::resolve(&spec, &plan)?)
    } else {
        Err(ReportError::OtherArms)
    }
}

/// Writes the report of the sweep in a folder, see [`Report::load`] and [`Report::write`].
///
/// # Errors
/// As these.
pub fn write(sweep_dir: &Path, out: &Path) -> Result<Vec<String>, ReportError> {
    Report::load(sweep_dir)?.write(out)
}
