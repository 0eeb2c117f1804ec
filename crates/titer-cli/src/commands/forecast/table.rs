//! Forecasts as a table: arms by component, averaged over seeds.

use titer::{forecast::RunForecast, plan::SweepPlan};
use titer_data::probe::Component;

use crate::{
    args::ViewArgs,
    commands::arms::{arm_cells, arm_columns},
    printer::{Failure, prose},
    text_table::{TextColumn, TextTable},
};

/// The columns, without lines: the swept axes, and a rate for each component.
pub(super) fn columns(plan: &SweepPlan) -> TextTable {
    let rates = Component::ALL.map(|component| TextColumn::number(component.word()));
    TextTable::new(arm_columns(plan.axes.iter().map(|(name, _)| name.as_str())).into_iter().chain(rates))
}

/// Prints the rate of every component after training, its interval, and what is not known.
///
/// # Errors
/// Where a column is asked for that there is not.
pub(super) fn print(plan: &SweepPlan, forecasts: &[RunForecast<'_>], view: &ViewArgs) -> Result<(), Failure> {
    prose("forecast rate after training, mean over seeds [95 % interval of a run]; seen prompts, trained domains");
    let mut table = columns(plan);
    for (at, arm) in plan.arms.iter().enumerate() {
        let runs: Vec<&RunForecast<'_>> = forecasts.iter().filter(|run| run.arm == at).collect();
        let cell = |component: Component| {
            let mut sums = [0.0; 3];
            let mut count = 0.0;
            for run in &runs {
                let last = run.kernel.leading(component).and_then(|probe| run.forecast.curves[probe].last());
                if let Some(point) = last {
                    let rate = [point.rate.mean, point.rate.low, point.rate.high];
                    sums.iter_mut().zip(rate).for_each(|(sum, rate)| *sum += rate);
                    count += 1.0;
                }
            }
            let [mean, low, high] = sums.map(|sum| sum / f64::max(count, 1.0));
            format!("{mean:.3} [{low:.2}, {high:.2}]")
        };
        table.line(arm_cells(plan, arm).into_iter().chain(Component::ALL.map(cell)));
        let open = Component::ALL.into_iter().filter(|component| {
            let is_open =
                |run: &&&RunForecast<'_>| run.kernel.leading(*component).is_some_and(|probe| run.forecast.open[probe]);
            runs.iter().filter(is_open).count() * 2 > runs.len()
        });
        for component in open {
            let known = runs.iter().find_map(|run| {
                let probe = run.kernel.leading(component).filter(|probe| run.forecast.open[*probe])?;
                Some(&run.forecast.known[probe])
            });
            let known = known.map_or("", String::as_str);
            table.note(format!("does not know {}: {known}", component.word()));
        }
        let mut reasons: Vec<&String> = runs.iter().flat_map(|run| &run.forecast.beyond).collect();
        reasons.sort();
        reasons.dedup();
        for reason in reasons {
            table.note(format!("does not know: {reason}"));
        }
    }
    table.print(view)
}
