//! Forecasts held against finished runs.

use std::path::Path;

use serde_json::json;
use titer::{
    forecast::against::{Pair, measured},
    plan::{Optimiser, SweepPlan},
    stats::{median, spearman},
    store::Sweep,
};
use titer_data::probe::Component;

use super::Foreseen;
use crate::printer::{Failure, data};

/// Prints how far forecasts and baselines are off, by optimiser and component.
pub fn print(dir: &Path, plan: &SweepPlan, foreseen: &[Foreseen<'_>], as_json: bool) -> Result<(), Failure> {
    let sweep = Sweep::open(dir).map_err(Failure::input)?;
    let mut pairs = Vec::new();
    for found in foreseen {
        let folder = sweep.dir().join(found.plan.id().0);
        if !folder.join("done").exists() {
            continue;
        }
        let values = measured(&folder).map_err(Failure::work)?;
        for component in Component::ALL {
            let Some(probe) = found.kernel.leading(component) else { continue };
            let name = found.kernel.probes[probe].name();
            let Some((_, [margin, rate])) = values.iter().find(|(other, _)| *other == name) else { continue };
            let Some(last) = found.forecast.curves[probe].last() else { continue };
            let optimiser = match found.plan.stages.last().map(|stage| &stage.optimiser) {
                Some(Optimiser::Sgd { .. }) => "sgd",
                _ => "adamw",
            };
            pairs.push(Pair {
                arm: plan.arms[found.arm].name.clone(),
                seed: found.plan.seed,
                optimiser: optimiser.to_owned(),
                component: component.word().to_owned(),
                start: found.kernel.probes[probe].margin,
                predicted: last.margin,
                predicted_rate: last.rate,
                measured: *margin,
                measured_rate: *rate,
                beyond: !found.forecast.beyond.is_empty(),
            });
        }
    }
    if pairs.is_empty() {
        return Err(Failure::Input(format!("no run of this spec is finished in {}", dir.display())));
    }
    if as_json {
        data(&json!({ "pairs": pairs }).to_string());
        return Ok(());
    }
    data("optimiser component   runs  rank  median |error|: margin, rate   90 %: rate  in interval");
    for optimiser in ["adamw", "sgd"] {
        for component in Component::ALL {
            let own: Vec<&Pair> = pairs
                .iter()
                .filter(|pair| pair.optimiser == optimiser && pair.component == component.word())
                .collect();
            if own.is_empty() {
                continue;
            }
            let predicted: Vec<f64> = own.iter().map(|pair| pair.predicted.mean).collect();
            let found: Vec<f64> = own.iter().map(|pair| pair.measured).collect();
            let margin: Vec<f64> = own.iter().map(|pair| (pair.predicted.mean - pair.measured).abs()).collect();
            let mut rate: Vec<f64> =
                own.iter().map(|pair| (pair.predicted_rate.mean - pair.measured_rate).abs()).collect();
            rate.sort_by(f64::total_cmp);
            let within = own.iter().filter(|pair| (pair.predicted.low..=pair.predicted.high).contains(&pair.measured));
            data(&format!(
                "{optimiser:9} {:9} {:6} {:5.2} {:16.2} {:8.3} {:16.3} {:10.0} %",
                component.word(),
                own.len(),
                spearman(&predicted, &found),
                median(&margin),
                median(&rate),
                rate[(rate.len() * 9 / 10).min(rate.len() - 1)],
                100.0 * within.count() as f64 / own.len() as f64
            ));
        }
    }
    Ok(())
}
