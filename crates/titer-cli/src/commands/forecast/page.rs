//! The interactive page.

use std::path::Path;

use titer::{
    forecast::{
        MeasuredPoint, Shown,
        against::{measured, points_of},
        page,
    },
    plan::{Optimiser, SweepPlan, show},
    store::Sweep,
};

use super::Foreseen;
use crate::printer::{Failure, data};

/// Whether an older page may be replaced there.
pub fn is_page(path: &Path) -> bool {
    fs_err::read(path).is_ok_and(|bytes| bytes.starts_with(b"<!doctype html>"))
}

/// Writes the page of the first seed's kernel, with the measured points of a finished sweep of doses.
pub fn write(out: &Path, against: Option<&Path>, plan: &SweepPlan, foreseen: &[Foreseen<'_>]) -> Result<(), Failure> {
    let first = foreseen.first().ok_or_else(|| Failure::input("the spec has no runs"))?;
    let stage = first.plan.stages.first().ok_or_else(|| Failure::input("the spec has no stages"))?;
    let mut optimisers: Vec<Optimiser> = Vec::new();
    for found in foreseen {
        for stage in &found.plan.stages {
            if !optimisers.contains(&stage.optimiser) {
                optimisers.push(stage.optimiser.clone());
            }
        }
    }
    let points = against.map(|dir| points(dir, plan, foreseen)).transpose()?.unwrap_or_default();
    let shown = Shown { measured: if points.is_empty() { String::new() } else { plan.title.clone() }, points };
    let text = page(first.kernel, stage, &optimisers, &shown).map_err(Failure::work)?;
    fs_err::write(out, text).map_err(Failure::work)?;
    data(&out.display().to_string());
    Ok(())
}

/// Rates after training by dose, optimiser and rest, means over seeds.
fn points(dir: &Path, plan: &SweepPlan, foreseen: &[Foreseen<'_>]) -> Result<Vec<MeasuredPoint>, Failure> {
    let sweep = Sweep::open(dir).map_err(Failure::input)?;
    let mut found = Vec::new();
    for (at, arm) in plan.arms.iter().enumerate() {
        let of = |end: &str| arm.settings.iter().find(|(name, _)| name.ends_with(end)).map(|(_, value)| value);
        let (Some(dose), [stage]) = (of(".mix.bad→good").and_then(|dose| dose.as_float()), arm.stages.as_slice())
        else {
            continue;
        };
        let mut runs = Vec::new();
        for run in foreseen.iter().filter(|run| run.arm == at) {
            let folder = sweep.dir().join(run.plan.id().0);
            if folder.join("done").exists() {
                runs.push(measured(&folder).map_err(Failure::work)?);
            }
        }
        if let Some(rates) = points_of(&runs) {
            let optimiser = match stage.optimiser {
                Optimiser::Sgd { .. } => "sgd",
                Optimiser::AdamW { .. } => "adamw",
            };
            let rest = of(".mix.rest").map_or_else(|| "neutral→good".to_owned(), show);
            found.push(MeasuredPoint { optimiser: optimiser.to_owned(), rest, dose, rates });
        }
    }
    Ok(found)
}
