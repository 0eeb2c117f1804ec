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

/// Writes the report of a sweep's finished runs as one HTML file, first under a temporary name; replaces an older one. Returns what was
/// found, the sentences with which it opens.
///
/// # Errors
/// Where the folder holds no sweep, no run is finished, or a file cannot be read or written.
pub fn write(sweep_dir: &Path, out: &Path) -> Result<Vec<String>, ReportError> {
    let report = Report::load(sweep_dir)?;
    let page = render(&report)?;
    write_whole(out, page.as_bytes())?;
    Ok(found(&report))
}
