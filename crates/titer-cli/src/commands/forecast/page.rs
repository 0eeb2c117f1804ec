//! The interactive page.

use std::path::Path;

use titer::{
    files::write_whole,
    forecast::{Calibration, Comparison, Dials, RunForecast, compare, kernels, page, scores},
    plan::SweepPlan,
    results::SweepResults,
};

use crate::printer::{Failure, data};

/// Writes the page of the kernels, one a seed, with the measured rates of a sweep's finished arms, and how well those runs that were no
/// pilots were foreseen.
pub(super) fn write(
    out: &Path,
    against: Option<&Path>,
    plan: &SweepPlan,
    forecasts: &[RunForecast<'_>],
    was_pilot: impl Fn(&RunForecast<'_>) -> bool,
    calibration: &Calibration,
) -> Result<(), Failure> {
    let dials = Dials::of(&kernels(forecasts), plan, calibration);
    let mut dials = dials.ok_or_else(|| Failure::input("the spec has no run that trains"))?;
    let mut scored = Vec::new();
    if let Some(dir) = against {
        let results = SweepResults::load(dir).map_err(Failure::input)?;
        dials.measure_in(&results);
        let compared = compare(&results, plan, forecasts).into_iter().filter(|(run, _)| !was_pilot(run));
        let compared: Vec<Comparison> = compared.flat_map(|(_, components)| components).collect();
        scored = scores(plan, forecasts, &compared);
    }
    write_whole(out, page(&dials, &scored).map_err(Failure::work)?.as_bytes()).map_err(Failure::work)?;
    data(&out.display().to_string());
    Ok(())
}
