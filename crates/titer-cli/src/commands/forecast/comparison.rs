//! Printing forecasts held against finished runs.

use std::{collections::BTreeSet, path::Path};

use serde_json::json;
use titer::{
    forecast::{
        Comparison, LEFT_OPEN, LateGates, OnsetDose, RunForecast, Score, baselines::NAMES, compare, measured_onsets,
        scores,
    },
    plan::{RunPlan, StagePlan, SweepPlan},
    results::{RunResults, SweepResults},
    stats::median,
    words::counted,
};

use crate::{
    args::{ForecastArgs, ViewArgs},
    printer::{Failure, data, prose, verbatim},
    text_table::{TextColumn, TextTable},
};

/// The finished runs of a sweep that have a forecast, with forecast and measured value of every component after training.
///
/// # Errors
/// Where none of these runs is finished.
pub(super) fn finished<'a, 'b>(
    dir: &Path,
    results: &SweepResults,
    plan: &SweepPlan,
    forecasts: &'a [RunForecast<'b>],
) -> Result<Vec<(&'a RunForecast<'b>, Vec<Comparison>)>, Failure> {
    if forecasts.is_empty() {
        return Err(Failure::Input(format!(
            "{}: every run was a pilot, is judged itself, or has guards, drawn replies, a vector, a helper or prompts that are not foreseen; none is left",
            dir.display()
        )));
    }
    let compared = compare(results, plan, forecasts);
    if compared.iter().all(|(_, components)| components.is_empty()) {
        return Err(none_finished(dir));
    }
    Ok(compared)
}

/// Looks, before anything is measured, whether a sweep's folder holds a finished run of these.
///
/// # Errors
/// Where it holds none, or cannot be read.
pub(super) fn holds_some(dir: &Path, runs: &[(usize, RunPlan)]) -> Result<(), Failure> {
    let results = SweepResults::load(dir).map_err(Failure::input)?;
    let is_finished = |(_, run): &(usize, RunPlan)| results.run(&run.id()).is_some();
    if runs.iter().any(is_finished) { Ok(()) } else { Err(none_finished(dir)) }
}

fn none_finished(dir: &Path) -> Failure {
    Failure::Input(format!(
        "no run of this spec is finished in {}; runs have other names where spec, rows, model or a version's numbers differ",
        dir.display()
    ))
}

/// Prints how far forecasts and baselines are off, by course and component: first where the forecasts say that they know.
pub(super) fn print(
    dir: &Path,
    plan: &SweepPlan,
    forecasts: &[RunForecast<'_>],
    args: &ForecastArgs,
) -> Result<(), Failure> {
    let results = SweepResults::load(dir).map_err(Failure::input)?;
    let finished = finished(dir, &results, plan, forecasts)?;
    let elsewhere = trained_elsewhere(&results, &finished);
    let compared: Vec<Comparison> = finished.into_iter().flat_map(|(_, components)| components).collect();
    let scores = scores(plan, forecasts, &compared);
    if args.json {
        verbatim(&json!({ "pairs": compared, "scores": scores.iter().map(json).collect::<Vec<_>>(), "trained_elsewhere": elsewhere }).to_string());
        return Ok(());
    }
    prose("after training, seen prompts in trained domains; every run against the forecast from its own base model");
    if let Some(elsewhere) = elsewhere {
        prose(&format!("trained elsewhere: {elsewhere}"));
    }
    let titles = [(true, "where the forecast says that it knows"), (false, "where it says that it does not know")];
    for (knows, title) in titles {
        let rows: Vec<&Score> = scores.iter().filter(|score| score.knows == knows).collect();
        if !rows.is_empty() {
            table(title, &rows, &args.view)?;
        }
    }
    let guarded = forecasts.iter().filter(|run| !run.plan.stages.iter().all(StagePlan::differs_in_rows_alone)).count();
    if guarded > 0 {
        prose(&format!(
            "not in these tables: {} with guards, drawn replies, vectors, helpers or prompts that are not foreseen",
            counted(guarded, "run")
        ));
    }
    onsets(plan, &compared)?;
    does_not_know(&compared);
    let LateGates { runs, measured, forecast, both } = LateGates::count(&results, forecasts);
    data("");
    prose(&format!(
        "rise and fall of the leak (up 10 points, down 5, bad prompts obeyed): measured in {measured} of {}, foreseen in {forecast}, both in {both}",
        counted(runs, "run")
    ));
    Ok(())
}

/// How many of the runs that a forecast is held against titer did not train, and who did; `None` where it trained all.
fn trained_elsewhere(results: &SweepResults, finished: &[(&RunForecast<'_>, Vec<Comparison>)]) -> Option<String> {
    let runs = finished.iter().filter_map(|(run, _)| results.run(&run.plan.id()));
    let by: Vec<&str> = runs.filter(|run| run.origin().is_some()).map(RunResults::trained_by).collect();
    let trainers: BTreeSet<&str> = by.iter().copied().collect();
    let trainers = trainers.into_iter().collect::<Vec<_>>().join(", ");
    (!by.is_empty()).then(|| format!("{} of {} ({trainers})", by.len(), counted(finished.len(), "run")))
}

fn json(score: &Score) -> serde_json::Value {
    let baselines = NAMES.into_iter().zip(score.baselines).map(|(name, error)| (name.to_owned(), json!(error)));
    let mut line = json!(score);
    line["baselines"] = baselines.collect();
    line["nearer"] = json!(score.nearer().map(|(name, _)| name));
    line
}

/// The columns, without lines.
pub(super) fn columns() -> TextTable {
    let numbers = ["rank corr.", "margin", "rate", "90 % of rates", "within", "runs"].map(TextColumn::number);
    let meanings = [
        "",
        "median error, nats",
        "median error of the rate",
        "nine of ten errors of the rate are smaller",
        "share within the interval",
        "",
    ];
    let numbers = numbers.into_iter().zip(meanings).map(|(column, meaning)| column.meaning(meaning));
    let optimisers = TextColumn::text("optimisers").meaning("those of the stages in turn");
    let nearer = TextColumn::word("nearer")
        .meaning("a baseline whose median error of the margin is smaller than the forecast's");
    let baselines = NAMES.map(TextColumn::number);
    TextTable::new(
        [TextColumn::word("component"), optimisers].into_iter().chain(numbers).chain([nearer]).chain(baselines),
    )
}

fn table(title: &str, scores: &[&Score], view: &ViewArgs) -> Result<(), Failure> {
    data("");
    data(title);
    let mut table = columns();
    for score in scores {
        // A rule without what it needs says nothing, and one run has no order.
        let number = |value: f64| if value.is_nan() { "–".to_owned() } else { format!("{value:.2}") };
        let line = [
            score.component.to_string(),
            score.optimisers.clone(),
            number(score.rank),
            format!("{:.2}", score.margin),
            format!("{:.3}", score.rate),
            format!("{:.3}", score.most_rates),
            format!("{:.0} %", 100.0 * score.within),
            score.runs.to_string(),
            score.nearer().map_or("", |(name, _)| name).to_owned(),
        ];
        table.line(line.into_iter().chain(score.baselines.map(number)));
    }
    table.print(view)
}

/// Where a sweep has doses of bad→good: the dose that halves the obedience of the base.
fn onsets(plan: &SweepPlan, compared: &[Comparison]) -> Result<(), Failure> {
    if !plan.axes.iter().any(|(name, _)| name.ends_with(".mix.bad→good")) {
        return Ok(());
    }
    data("");
    data("dose of bad→good that halves the rate of obey_bad");
    let show = |dose: Option<OnsetDose>| match dose {
        None => "none".to_owned(),
        Some(OnsetDose::Between(dose)) => format!("{:.2} %", 100.0 * dose),
        Some(OnsetDose::AtMost(dose)) => format!("at most {:.2} %", 100.0 * dose),
    };
    let columns = [TextColumn::text("series"), TextColumn::number("forecast"), TextColumn::number("measured")];
    let mut table = TextTable::new(columns);
    for onset in measured_onsets(plan, compared) {
        table.line([onset.series.clone(), show(onset.forecast), show(onset.measured)]);
    }
    table.print(&ViewArgs::default())
}

/// Each reason for not knowing, and how far off the forecasts were that have it.
fn does_not_know(compared: &[Comparison]) {
    if compared.iter().all(Comparison::knows) {
        return;
    }
    let reasons_of = |run: &Comparison| -> Vec<String> {
        let known = run.knows().then(|| "(it knows)".to_owned());
        run.beyond.iter().cloned().chain(run.open.as_ref().map(|_| LEFT_OPEN.to_owned())).chain(known).collect()
    };
    let reasons: BTreeSet<String> = compared.iter().flat_map(reasons_of).collect();
    data("");
    prose("median error of the margin, nats, by what the forecast says that it does not know");
    for reason in reasons {
        let runs = compared.iter().filter(|run| reasons_of(run).contains(&reason));
        let errors: Vec<f64> = runs.map(|run| (run.predicted.mean - run.measured).abs()).collect();
        prose(&format!("{:5.2} ({:4} values)  {reason}", median(&errors), errors.len()));
    }
}
