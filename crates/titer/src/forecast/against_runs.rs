//! Forecasts held against finished runs.

use titer_data::{cell::Cell, probe::Component};

use super::{baselines::Case, batches::trained, comparison::Comparison, course::Course, runs::RunForecast};
use crate::{
    plan::SweepPlan,
    results::{Measure, RunResults, SweepResults},
};

/// Every forecast run that is finished, with forecast and measured value of each component after training.
pub fn compare<'a, 'b>(
    results: &SweepResults,
    plan: &SweepPlan,
    forecasts: &'a [RunForecast<'b>],
) -> Vec<(&'a RunForecast<'b>, Vec<Comparison>)> {
    let finished = forecasts.iter().filter_map(|run| Some((run, results.run(&run.plan.id())?)));
    finished.map(|(run, measured)| (run, components(plan, run, measured))).collect()
}

fn components(plan: &SweepPlan, run: &RunForecast<'_>, results: &RunResults) -> Vec<Comparison> {
    let component = |component: Component| {
        let probe = run.kernel.leading(component)?;
        let (output, last) = (&run.kernel.probes[probe], run.forecast.curves[probe].last()?);
        let split = output.split();
        let step = results.end()?;
        Some(Comparison {
            arm: plan.arms[run.arm].name.clone(),
            seed: run.plan.seed,
            optimisers: Course::of(&run.plan.stages).optimisers,
            component,
            start: output.margin,
            start_rate: output.rate(0.0),
            predicted: last.margin,
            predicted_rate: last.rate,
            measured: results.mean(&split, Measure::Margin, step)?,
            measured_rate: results.mean(&split, Measure::Rate, step)?,
            beyond: run.forecast.beyond.clone(),
            open: run.forecast.left_open(probe).map(str::to_owned),
        })
    };
    Component::ALL.into_iter().filter_map(component).collect()
}

/// The runs of a course that measured a component, with their shares of cells, for the baselines.
pub(super) fn cases<'a>(
    plan: &SweepPlan,
    forecasts: &[&'a RunForecast<'_>],
    compared: &'a [Comparison],
    optimisers: &str,
    component: Component,
) -> Vec<Case<'a>> {
    let case = |run: &&'a RunForecast<'_>| {
        let name = &plan.arms[run.arm].name;
        let comparison = |component: Component| {
            compared.iter().find(|pair| {
                pair.arm == *name
                    && pair.seed == run.plan.seed
                    && pair.component == component
                    && pair.optimisers == optimisers
            })
        };
        let pair = comparison(component)?;
        // A user's own rows may say nothing of some component, and of runs that were brought in some may have measured fewer than others.
        let behind = Component::ALL.into_iter().cycle().skip_while(|one| *one != component).skip(1);
        let other = behind.take(Component::ALL.len()).find_map(comparison).unwrap_or(pair);
        let cells: Vec<(Cell, usize)> = run.plan.stages.iter().flat_map(trained).collect();
        let rows: usize = cells.iter().map(|(_, count)| count).sum();
        let shares = cells.into_iter().map(|(cell, count)| (cell, count as f64 / rows as f64)).collect();
        Some(Case { shares, kernel: run.kernel, pair, other })
    };
    forecasts.iter().filter_map(case).collect()
}
