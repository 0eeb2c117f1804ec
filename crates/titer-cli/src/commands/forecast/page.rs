//! The interactive page.

use std::path::Path;

use titer::{
    forecast::{Calibration, Dials, RunForecast, page},
    plan::SweepPlan,
    results::SweepResults,
};

use crate::printer::{Failure, data};

/// Whether an older page may be replaced there.
pub fn is_page(path: &Path) -> bool {
    fs_err::read_to_string(path).is_ok_and(|text| text.contains("<title>Forecast</title>"))
}

/// Writes the page of the first seed's kernel, with the measured rates of a sweep's finished arms.
pub fn write(
    out: &Path,
    against: Option<&Path>,
    plan: &SweepPlan,
    forecasts: &[RunForecast<'_>],
    calibration: &Calibration,
) -> Result<(), Failure> {
    let dials = forecasts.first().and_then(|first| Dials::of(first.kernel, plan, calibration));
    let mut dials = dials.ok_or_else(|| Failure::input("the spec has no run that trains"))?;
    if let Some(dir) = against {
        dials.measure_in(&SweepResults::load(dir).map_err(Failure::input)?);
    }
    fs_err::write(out, page(&dials).map_err(Failure::work)?).map_err(Failure::work)?;
    data(&out.display().to_string());
    Ok(())
}
