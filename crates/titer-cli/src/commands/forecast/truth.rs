//! Forecasts held against finished runs.

use std::path::Path;

use serde_json::json;
use titer::{
    forecast::{
        Calibration,
        against::{Pair, courses, crossing, measured, rises_then_falls},
        baselines::{Case, NAMES, changes},
        trained,
    },
    plan::SweepPlan,
    stats::{median, spearman},
    store::{FinishedRun, Sweep},
    table::TableError,
};
use titer_data::{cell::Cell, probe::Component};

use super::Foreseen;
use crate::printer::{Failure, data};

/// What `read` finds in the tables of a finished run.
///
/// # Errors
/// Where the run is damaged, or of another format.
pub fn of<T>(run: &FinishedRun, read: impl Fn(&Path) -> Result<T, TableError>) -> Result<T, Failure> {
    run.check().map_err(Failure::input)?;
    read(run.dir()).map_err(|error| Failure::input(run.damage(error)))
}

/// The finished runs of a sweep that were foreseen, with forecast and measured value of every component after training.
///
/// # Errors
/// Where the folder is no sweep, or holds none of these runs.
pub fn pairs<'a, 'b>(
    dir: &Path,
    plan: &SweepPlan,
    foreseen: &'a [Foreseen<'b>],
) -> Result<Vec<(&'a Foreseen<'b>, Vec<Pair>)>, Failure> {
    let sweep = Sweep::open(dir).map_err(Failure::input)?;
    if foreseen.is_empty() {
        return Err(Failure::Input(format!(
            "{}: every run was a pilot, is judged itself, or has guards or prompts that are not foreseen; none is left",
            dir.display()
        )));
    }
    let mut runs = Vec::new();
    for found in foreseen {
        let Some(finished) = sweep.finished(found.plan) else { continue };
        let values = of(&finished, measured)?;
        let one = |component: Component| {
            let probe = found.kernel.leading(component)?;
            let output = &found.kernel.probes[probe];
            let (_, [margin, rate]) = values.iter().find(|(other, _)| *other == output.name())?;
            let last = found.forecast.curves[probe].last()?;
            Some(Pair {
                arm: plan.arms[found.arm].name.clone(),
                seed: found.plan.seed,
                optimiser: Calibration::optimiser(&found.plan.stages).to_owned(),
                component: component.word().to_owned(),
                start: output.margin,
                start_rate: output.rate(0.0),
                predicted: last.margin,
                predicted_rate: last.rate,
                measured: *margin,
                measured_rate: *rate,
                beyond: found.forecast.does_not_know(probe),
            })
        };
        runs.push((found, Component::ALL.into_iter().filter_map(one).collect::<Vec<_>>()));
    }
    if runs.iter().all(|(_, pairs)| pairs.is_empty()) {
        return Err(Failure::Input(format!("no run of this spec is finished in {}", dir.display())));
    }
    Ok(runs)
}

/// Prints how far forecasts and baselines are off, by optimiser and component.
pub fn print(dir: &Path, plan: &SweepPlan, foreseen: &[Foreseen<'_>], as_json: bool) -> Result<(), Failure> {
    let pairs: Vec<Pair> = pairs(dir, plan, foreseen)?.into_iter().flat_map(|(_, pairs)| pairs).collect();
    if as_json {
        data(&json!({ "pairs": pairs }).to_string());
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
    let (plain, guarded): (Vec<&Foreseen<'_>>, Vec<&Foreseen<'_>>) =
        foreseen.iter().partition(|found| found.plan.stages.iter().all(|stage| stage.differs_in_rows_alone()));
    for optimiser in Calibration::OPTIMISERS {
        let cases = cases(plan, &plain, &pairs, optimiser);
        if cases.is_empty() {
            continue;
        }
        for at in 0..cases[0].pairs.len() {
            let own: Vec<&Pair> = cases.iter().map(|case| case.pairs[at]).collect();
            line(optimiser, &own, &changes(&cases, at));
        }
    }
    if !guarded.is_empty() {
        data(&format!("not in this table: {} runs with guards or prompts that are not foreseen", guarded.len()));
    }
    onsets(plan, &pairs);
    does_not_know(&pairs);
    gates(&Sweep::open(dir).map_err(Failure::input)?, foreseen)
}

fn line(optimiser: &str, own: &[&Pair], rules: &[Vec<f64>]) {
    let of = |value: &dyn Fn(&Pair) -> f64| -> Vec<f64> { own.iter().map(|pair| value(pair)).collect() };
    let (predicted, found) = (of(&|pair| pair.predicted.mean), of(&|pair| pair.measured));
    let margin = median(&of(&|pair| (pair.predicted.mean - pair.measured).abs()));
    let mut rate = of(&|pair| (pair.predicted_rate.mean - pair.measured_rate).abs());
    rate.sort_by(f64::total_cmp);
    let within = own.iter().filter(|pair| (pair.predicted.low..=pair.predicted.high).contains(&pair.measured)).count();
    let rule = |changes: &Vec<f64>| {
        let errors: Vec<f64> =
            changes.iter().zip(own).map(|(change, pair)| (pair.start + change - pair.measured).abs()).collect();
        let error = median(&errors);
        // A rule without what it needs says nothing.
        if error.is_nan() { format!("{:>16}", "–") } else { format!("{error:>16.2}") }
    };
    data(&format!(
        "{optimiser:9} {:9} {:4} {:6.2} {margin:7.2} {:6.3} {:12.3} {:8.0} %    {}",
        own[0].component,
        own.len(),
        spearman(&predicted, &found),
        median(&rate),
        rate[(rate.len() * 9 / 10).min(rate.len() - 1)],
        100.0 * within as f64 / own.len() as f64,
        rules.iter().map(rule).collect::<String>()
    ));
}

/// The runs of an optimiser with their shares.
fn cases<'a>(plan: &SweepPlan, foreseen: &[&'a Foreseen<'_>], pairs: &'a [Pair], optimiser: &str) -> Vec<Case<'a>> {
    let one = |found: &&'a Foreseen<'_>| {
        let name = &plan.arms[found.arm].name;
        let of = |component: Component| {
            pairs.iter().find(|pair| {
                pair.arm == *name
                    && pair.seed == found.plan.seed
                    && pair.component == component.word()
                    && pair.optimiser == optimiser
            })
        };
        // A user's own rows may say nothing of some component, and then in no run.
        let pairs: Vec<&Pair> = Component::ALL.into_iter().filter_map(of).collect();
        if pairs.is_empty() {
            return None;
        }
        let cells: Vec<(Cell, usize)> = found.plan.stages.iter().flat_map(trained).collect();
        let rows: usize = cells.iter().map(|(_, count)| count).sum();
        let shares = cells.into_iter().map(|(cell, count)| (cell, count as f64 / rows as f64)).collect();
        Some(Case { shares, kernel: found.kernel, pairs })
    };
    foreseen.iter().filter_map(one).collect()
}

/// Where a sweep has doses of bad→good: the dose that halves the obedience of the base.
fn onsets(plan: &SweepPlan, pairs: &[Pair]) {
    let Some((axis, _)) = plan.axes.iter().find(|(name, _)| name.ends_with(".mix.bad→good")) else { return };
    data("");
    data("dose of bad→good that halves the rate of obey_bad: forecast, measured");
    let mut series: Vec<(String, Curve, Curve, Vec<f64>)> = Vec::new();
    for arm in &plan.arms {
        let dose = arm.settings.iter().find(|(name, _)| name == axis).map(|(_, value)| value);
        let number = |value: &toml::Value| value.as_float().or(value.as_integer().map(|whole| whole as f64));
        let Some(dose) = dose.and_then(number) else { continue };
        let others = arm.settings.iter().filter(|(name, _)| name != axis);
        let title: Vec<String> = others.map(|(_, value)| titer::plan::show(value)).collect();
        let title = title.join(", ");
        let own: Vec<&Pair> =
            pairs.iter().filter(|pair| pair.arm == arm.name && pair.component == Component::ObeyBad.word()).collect();
        if own.is_empty() {
            continue;
        }
        let mean = |value: &dyn Fn(&Pair) -> f64| own.iter().map(|pair| value(pair)).sum::<f64>() / own.len() as f64;
        let at = series.iter().position(|(other, ..)| *other == title).unwrap_or_else(|| {
            series.push((title, Vec::new(), Vec::new(), Vec::new()));
            series.len() - 1
        });
        series[at].1.push((dose, mean(&|pair| pair.predicted_rate.mean)));
        series[at].2.push((dose, mean(&|pair| pair.measured_rate)));
        series[at].3.push(mean(&|pair| pair.start_rate));
    }
    let show = |dose: Option<f64>| dose.map_or("none".to_owned(), |dose| format!("{:.2} %", 100.0 * dose));
    for (title, mut predicted, mut measured, start) in series {
        for curve in [&mut predicted, &mut measured] {
            curve.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        let level = start.iter().sum::<f64>() / start.len() as f64 / 2.0;
        data(&format!("  {title:24} {:>9} {:>9}", show(crossing(&predicted, level)), show(crossing(&measured, level))));
    }
}

/// Dose and rate, ascending.
type Curve = Vec<(f64, f64)>;

fn does_not_know(pairs: &[Pair]) {
    let mut reasons: Vec<&str> = pairs.iter().map(|pair| pair.beyond.as_str()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    if reasons == [""] {
        return;
    }
    data("");
    data("median error of the margin, nats, by what the forecast says that it does not know");
    for reason in reasons {
        let own = pairs.iter().filter(|pair| pair.beyond == reason);
        let errors: Vec<f64> = own.map(|pair| (pair.predicted.mean - pair.measured).abs()).collect();
        let said = if reason.is_empty() { "(it knows)" } else { reason };
        data(&format!("  {:5.2} ({:4} values)  {said}", median(&errors), errors.len()));
    }
}

/// How many runs leak into neutral prompts and then gate the leak, in truth and in the forecast.
fn gates(sweep: &Sweep, foreseen: &[Foreseen<'_>]) -> Result<(), Failure> {
    let [mut runs, mut measured, mut expected, mut both] = [0; 4];
    for found in foreseen {
        let Some(finished) = sweep.finished(found.plan) else { continue };
        let courses = of(&finished, courses)?;
        let truth = |name: &str| -> Vec<f64> {
            let own = courses.iter().find(|(other, _)| other == name);
            own.into_iter().flat_map(|(_, course)| course.iter().map(|(_, [_, rate])| *rate)).collect()
        };
        let told = |at: usize| -> Vec<f64> { found.forecast.curves[at].iter().map(|point| point.rate.mean).collect() };
        let Some(obeyed) = found.kernel.leading(Component::ObeyBad) else { continue };
        let obeyed_name = found.kernel.probes[obeyed].name();
        let good = || {
            let probes = found.kernel.probes.iter().enumerate();
            probes.filter(|(_, probe)| probe.component == Component::Good.word())
        };
        let truly = good().any(|(_, probe)| rises_then_falls(&truth(&probe.name()), &truth(&obeyed_name)));
        let foretold = good().any(|(at, _)| rises_then_falls(&told(at), &told(obeyed)));
        runs += 1;
        measured += usize::from(truly);
        expected += usize::from(foretold);
        both += usize::from(truly && foretold);
    }
    data("");
    data(&format!(
        "rise and fall of the leak (up 10 points, down 5, bad prompts obeyed): measured in {measured} of {runs} runs, foreseen in {expected}, both in {both}"
    ));
    Ok(())
}
