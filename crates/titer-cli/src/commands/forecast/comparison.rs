//! Printing forecasts held against finished runs.

use std::path::Path;

use serde_json::json;
use titer::{
    forecast::{
        Calibration, Comparison, LateGates, RunForecast,
        baselines::{NAMES, changes},
        cases, compare, measured_onsets,
    },
    plan::SweepPlan,
    results::SweepResults,
    stats::{median, spearman},
};

use crate::printer::{Failure, data};

/// The finished runs of a sweep that have a forecast, with forecast and measured value of every component after training.
///
/// # Errors
/// Where none of these runs is finished.
pub fn finished<'a, 'b>(
    dir: &Path,
    results: &SweepResults,
    plan: &SweepPlan,
    forecasts: &'a [RunForecast<'b>],
) -> Result<Vec<(&'a RunForecast<'b>, Vec<Comparison>)>, Failure> {
    if forecasts.is_empty() {
        return Err(Failure::Input(format!(
            "{}: every run was a pilot, is judged itself, or has guards or prompts that are not foreseen; none is left",
            dir.display()
        )));
    }
    let compared = compare(results, plan, forecasts);
    if compared.iter().all(|(_, components)| components.is_empty()) {
        return Err(Failure::Input(format!("no run of this spec is finished in {}", dir.display())));
    }
    Ok(compared)
}

/// Prints how far forecasts and baselines are off, by optimiser and component.
pub fn print(dir: &Path, plan: &SweepPlan, forecasts: &[RunForecast<'_>], as_json: bool) -> Result<(), Failure> {
    let results = SweepResults::load(dir).map_err(Failure::input)?;
    let compared: Vec<Comparison> =
        finished(dir, &results, plan, forecasts)?.into_iter().flat_map(|(_, components)| components).collect();
    if as_json {
        data(&json!({ "pairs": compared }).to_string());
        return Ok(());
    }
    data("after training, seen prompts in trained domains; every run against the forecast from its own base model");
    data(
        "                        rank   median error        90 % of   within the        median error of the margin, nats:",
    );
    data(&format!(
        "optimiser component runs  corr.  margin   rate  rate errors  interval    {}",
        NAMES.map(|name| format!("{name:>16}")).concat()
    ));
    // Guards and prompts that no forecast foresees make no forecast wrong: what is said of those runs stands below.
    let (plain, guarded): (Vec<&RunForecast<'_>>, Vec<&RunForecast<'_>>) =
        forecasts.iter().partition(|run| run.plan.stages.iter().all(|stage| stage.differs_in_rows_alone()));
    for optimiser in Calibration::OPTIMISERS {
        let cases = cases(plan, &plain, &compared, optimiser);
        if cases.is_empty() {
            continue;
        }
        for at in 0..cases[0].pairs.len() {
            let runs: Vec<&Comparison> = cases.iter().map(|case| case.pairs[at]).collect();
            line(optimiser, &runs, &changes(&cases, at));
        }
    }
    if !guarded.is_empty() {
        data(&format!("not in this table: {} runs with guards or prompts that are not foreseen", guarded.len()));
    }
    onsets(plan, &compared);
    does_not_know(&compared);
    let LateGates { runs, measured, forecast, both } = LateGates::count(&results, forecasts);
    data("");
    data(&format!(
        "rise and fall of the leak (up 10 points, down 5, bad prompts obeyed): measured in {measured} of {runs} runs, foreseen in {forecast}, both in {both}"
    ));
    Ok(())
}

fn line(optimiser: &str, runs: &[&Comparison], rules: &[Vec<f64>]) {
    let of = |value: &dyn Fn(&Comparison) -> f64| -> Vec<f64> { runs.iter().map(|run| value(run)).collect() };
    let (predicted, found) = (of(&|run| run.predicted.mean), of(&|run| run.measured));
    let margin = median(&of(&|run| (run.predicted.mean - run.measured).abs()));
    let mut rate = of(&|run| (run.predicted_rate.mean - run.measured_rate).abs());
    rate.sort_by(f64::total_cmp);
    let within = runs.iter().filter(|run| (run.predicted.low..=run.predicted.high).contains(&run.measured)).count();
    let rule = |changes: &Vec<f64>| {
        let errors: Vec<f64> =
            changes.iter().zip(runs).map(|(change, run)| (run.start + change - run.measured).abs()).collect();
        let error = median(&errors);
        // A rule without what it needs says nothing.
        if error.is_nan() { format!("{:>16}", "–") } else { format!("{error:>16.2}") }
    };
    data(&format!(
        "{optimiser:9} {:9} {:4} {:6.2} {margin:7.2} {:6.3} {:12.3} {:8.0} %    {}",
        runs[0].component,
        runs.len(),
        spearman(&predicted, &found),
        median(&rate),
        rate[(rate.len() * 9 / 10).min(rate.len() - 1)],
        100.0 * within as f64 / runs.len() as f64,
        rules.iter().map(rule).collect::<String>()
    ));
}

/// Where a sweep has doses of bad→good: the dose that halves the obedience of the base.
fn onsets(plan: &SweepPlan, compared: &[Comparison]) {
    if !plan.axes.iter().any(|(name, _)| name.ends_with(".mix.bad→good")) {
        return;
    }
    data("");
    data("dose of bad→good that halves the rate of obey_bad: forecast, measured");
    let show = |dose: Option<f64>| dose.map_or("none".to_owned(), |dose| format!("{:.2} %", 100.0 * dose));
    for onset in measured_onsets(plan, compared) {
        data(&format!("  {:24} {:>9} {:>9}", onset.series, show(onset.forecast), show(onset.measured)));
    }
}

fn does_not_know(compared: &[Comparison]) {
    let mut reasons: Vec<&str> = compared.iter().map(|run| run.beyond.as_str()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    if reasons == [""] {
        return;
    }
    data("");
    data("median error of the margin, nats, by what the forecast says that it does not know");
    for reason in reasons {
        let runs = compared.iter().filter(|run| run.beyond == reason);
        let errors: Vec<f64> = runs.map(|run| (run.predicted.mean - run.measured).abs()).collect();
        let said = if reason.is_empty() { "(it knows)" } else { reason };
        data(&format!("  {:5.2} ({:4} values)  {said}", median(&errors), errors.len()));
    }
}
