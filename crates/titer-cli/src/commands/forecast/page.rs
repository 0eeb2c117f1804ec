//! The interactive page, and the same as a file for a report.

use std::path::Path;

use titer::{
    forecast::{
        ArmForecast, Calibration, Dials, Quantity, SavedForecast,
        against::{measured, points_of},
        page,
    },
    plan::SweepPlan,
    store::Sweep,
};

use super::{Foreseen, truth};
use crate::printer::{Failure, data};

/// Whether an older page may be replaced there.
pub fn is_page(path: &Path) -> bool {
    fs_err::read_to_string(path).is_ok_and(|text| text.contains("<title>Forecast</title>"))
}

/// Whether an older forecast may be replaced there; one of a newer titer may not.
pub fn may_be_replaced(path: &Path) -> Result<(), Failure> {
    let other = || Failure::Input(format!("{} is no forecast; choose another file with --out", path.display()));
    let json: serde_json::Value =
        serde_json::from_slice(&fs_err::read(path).map_err(Failure::input)?).map_err(|_| other())?;
    match SavedForecast::FORMAT.of_json(path, &json) {
        Err(error) if error.newer => Err(Failure::input(error)),
        // Whatever its format, so that older ones can be replaced.
        _ if ["format", "told", "dials"].iter().all(|key| json.get(key).is_some()) => Ok(()),
        _ => Err(other()),
    }
}

/// Writes the page of the first seed's kernel, with the measured rates of a sweep's finished arms.
pub fn write(
    out: &Path,
    against: Option<&Path>,
    plan: &SweepPlan,
    foreseen: &[Foreseen<'_>],
    calibration: &Calibration,
) -> Result<(), Failure> {
    let mut dials = dials(plan, foreseen, calibration)?;
    if let Some(dir) = against {
        let rates = rates(dir, plan, foreseen)?;
        dials.measure(|name| rates.iter().find(|(arm, _)| arm == name).map(|(_, rates)| rates.clone()));
    }
    fs_err::write(out, page(&dials).map_err(Failure::work)?).map_err(Failure::work)?;
    data(&out.display().to_string());
    Ok(())
}

fn dials(plan: &SweepPlan, foreseen: &[Foreseen<'_>], calibration: &Calibration) -> Result<Dials, Failure> {
    let dials = foreseen.first().and_then(|first| Dials::of(first.kernel, plan, calibration));
    dials.ok_or_else(|| Failure::input("the spec has no run that trains"))
}

/// The rates of the components after training by arm, means over seeds.
fn rates(dir: &Path, plan: &SweepPlan, foreseen: &[Foreseen<'_>]) -> Result<Vec<(String, Vec<f64>)>, Failure> {
    let sweep = Sweep::open(dir).map_err(Failure::input)?;
    let mut found = Vec::new();
    for (at, arm) in plan.arms.iter().enumerate() {
        let mut runs = Vec::new();
        for run in foreseen.iter().filter(|run| run.arm == at) {
            if let Some(finished) = sweep.finished(run.plan) {
                runs.push(truth::of(&finished, measured)?);
            }
        }
        if let Some(rates) = points_of(&runs) {
            found.push((arm.name.clone(), rates));
        }
    }
    Ok(found)
}

/// What is foreseen of a sweep, as its report takes it: rates after training with intervals, averaged over seeds.
pub fn foretold(
    plan: &SweepPlan,
    foreseen: &[Foreseen<'_>],
    calibration: &Calibration,
) -> Result<SavedForecast, Failure> {
    let mut told = Vec::new();
    for (at, arm) in plan.arms.iter().enumerate() {
        let own: Vec<&Foreseen<'_>> = foreseen.iter().filter(|found| found.arm == at).collect();
        let Some(first) = own.first() else { continue };
        for (probe, output) in first.kernel.probes.iter().enumerate() {
            let ends = own.iter().filter_map(|found| found.forecast.curves[probe].last());
            let ends: Vec<Quantity> = ends.map(|point| point.rate).collect();
            let mean = |of: &dyn Fn(&Quantity) -> f64| ends.iter().map(of).sum::<f64>() / ends.len().max(1) as f64;
            told.push(ArmForecast {
                arm: arm.name.clone(),
                component: output.component.clone(),
                prompts: output.prompts.clone(),
                domains: output.domains.clone(),
                rate: Quantity { mean: mean(&|one| one.mean), low: mean(&|one| one.low), high: mean(&|one| one.high) },
                beyond: first.forecast.does_not_know(probe),
            });
        }
    }
    Ok(SavedForecast { format: SavedForecast::FORMAT.known, arms: told, dials: dials(plan, foreseen, calibration)? })
}
