//! The ledger: what every cell's steps should have done to each component, beside what was measured.

use std::collections::BTreeMap;

use titer_data::probe::Component;

use crate::{
    report::{
        figure::{Dash, Figure, Line, Scale, Style},
        format,
        view::{Drawing, Gallery, GalleryRow, Panel, Table},
    },
    results::{ArmResults, RunResults, SweepResults},
    stats::{Estimate, Support, median},
    table::LedgerRecord,
};

/// Colours of sources, from the one with the most rows on.
const SOURCES: [&str; 4] = ["c1", "c2", "c3", "c4"];

/// Names of the lines that are no source.
const MEASURED: &str = "measured";
const UNEXPLAINED: &str = "unexplained";

/// A run's changes since its start, by line and step: sources, what was measured, and what is unexplained.
type Course = BTreeMap<String, BTreeMap<i64, f64>>;

/// One row of panels an arm, a panel a component; `None` where no run has kept a ledger.
pub(crate) fn gallery(results: &SweepResults) -> Option<Gallery> {
    let kept: Vec<&ArmResults> =
        results.arms.iter().filter(|arm| arm.runs.iter().any(|run| !run.ledger().is_empty())).collect();
    if kept.is_empty() {
        return None;
    }
    let rows = kept.iter().map(|arm| {
        let figures: Vec<Figure> = Component::ALL.iter().map(|component| figure(arm, *component)).collect();
        let panel = |(component, figure): (&Component, Figure)| Panel {
            title: title(*component).to_owned(),
            word: component.word().to_owned(),
            drawings: vec![Drawing::of(&figure, String::new())],
        };
        GalleryRow { title: arm.name.clone(), panels: Component::ALL.iter().zip(figures).map(panel).collect() }
    });
    Some(Gallery::new("ledger", Vec::new(), rows.collect(), numbers(&kept), "no step was booked"))
}

fn title(component: Component) -> &'static str {
    match component {
        Component::Good => "Acts well by default",
        Component::ObeyBad => "Obeys bad prompts",
        Component::Obey => "Obeys harmless instructions",
    }
}

fn figure(arm: &ArmResults, component: Component) -> Figure {
    let courses: Vec<Course> = arm.runs.iter().map(|run| course(run, component)).collect();
    let lines: Vec<Line> = names(&arm.runs).into_iter().map(|(name, style)| line(&courses, name, style)).collect();
    let points = || lines.iter().flat_map(|line| &line.points);
    let ends = points().flat_map(|(_, at)| [at.mean, at.low, at.high]).filter(|end| end.is_finite()).chain([0.0]);
    Figure {
        title: format!("{component} along training: measured, by source, unexplained; {}", arm.name),
        x: Scale::around(points().map(|(step, _)| *step).collect::<Vec<_>>(), format::plain),
        x_label: "optimiser steps".to_owned(),
        y: Scale::around(ends, format::plain),
        y_label: "change of the margin, nats".to_owned(),
        lines,
        level: None,
    }
}

/// The lines of an arm, with their looks: what was measured, then the sources, then what is left.
fn names(runs: &[RunResults]) -> Vec<(String, Style)> {
    let mut rows: BTreeMap<&str, i64> = BTreeMap::new();
    for record in runs.iter().flat_map(RunResults::ledger) {
        if record.source != LedgerRecord::WEIGHT_DECAY || record.accounted != 0.0 {
            *rows.entry(&record.source).or_default() += record.rows;
        }
    }
    let mut sources: Vec<(&str, i64)> = rows.into_iter().collect();
    sources.sort_by_key(|(_, rows)| -rows);
    let source =
        |(at, (name, _)): (usize, (&str, i64))| (name.to_owned(), Style::new(SOURCES[at % SOURCES.len()], Dash::Solid));
    let measured = (MEASURED.to_owned(), Style::new("c0", Dash::Solid));
    let rest = (UNEXPLAINED.to_owned(), Style::new("level", Dash::Dotted));
    std::iter::once(measured).chain(sources.into_iter().enumerate().map(source)).chain([rest]).collect()
}

fn line(courses: &[Course], name: String, style: Style) -> Line {
    let mut values: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for (step, value) in courses.iter().filter_map(|course| course.get(&name)).flatten() {
        values.entry(*step).or_default().push(*value);
    }
    let point = |(step, values): (i64, Vec<f64>)| Some((step as f64, Estimate::over_seeds(&values, Support::Line)?));
    Line { label: name, style, points: values.into_iter().filter_map(point).collect() }
}

/// What has been booked since the run began.
fn course(run: &RunResults, component: Component) -> Course {
    let mut sums: BTreeMap<String, f64> = BTreeMap::new();
    let mut course = Course::new();
    for interval in intervals(run, component) {
        let at = interval[0].to;
        let explained: f64 = interval.iter().map(|record| record.accounted).sum();
        let sources = interval.iter().map(|record| (record.source.as_str(), record.accounted));
        let whole = [(MEASURED, interval[0].measured), (UNEXPLAINED, interval[0].measured - explained)];
        for (name, change) in sources.chain(whole) {
            let sum = sums.entry(name.to_owned()).or_default();
            *sum += change;
            course.entry(name.to_owned()).or_default().insert(at, *sum);
        }
    }
    course
}

/// The records of each interval of a component: one for each source.
fn intervals(run: &RunResults, component: Component) -> Vec<Vec<&LedgerRecord>> {
    let mut intervals: BTreeMap<i64, Vec<&LedgerRecord>> = BTreeMap::new();
    for record in run.ledger().iter().filter(|record| record.component == component) {
        intervals.entry(record.to).or_default().push(record);
    }
    intervals.into_values().collect()
}

/// Whole runs by arm, component and source.
fn numbers(arms: &[&ArmResults]) -> Table {
    let mut rows = Vec::new();
    for arm in arms {
        for component in Component::ALL {
            let courses: Vec<Course> = arm.runs.iter().map(|run| course(run, component)).collect();
            for (name, _) in names(&arm.runs) {
                let ends: Vec<f64> = courses
                    .iter()
                    .filter_map(|course| course.get(&name)?.last_key_value().map(|(_, value)| *value))
                    .collect();
                let Some(end) = Estimate::over_seeds(&ends, Support::Line) else { continue };
                let seeds = end.n_seeds.to_string();
                rows.push(vec![arm.name.clone(), component.to_string(), name, format::difference(&end), seeds]);
            }
        }
    }
    Table {
        caption: format!(
            "Change over the whole run in nats of margin, mean and 95 % interval (t over seeds).{} Source: \
             ledger.parquet of each run.",
            seeds_alone(arms)
        ),
        text_columns: 3,
        head: ["arm", "component", "source", "change, nats", "seeds"].map(str::to_owned).into(),
        rows,
    }
}

/// What an interval over seeds does not say where all seeds measure the same requests: the ledger books means over them, and keeps none apart.
fn seeds_alone(arms: &[&ArmResults]) -> &'static str {
    if arms.iter().flat_map(|arm| &arm.runs).any(RunResults::shares_items) {
        " All seeds measure the same requests, and the ledger books their mean: an interval says how other seeds would do with these \
         requests, and nothing of other requests."
    } else {
        ""
    }
}

/// How far the ledger is off: relative errors of single intervals and of whole runs.
pub(crate) fn errors(results: &SweepResults) -> Option<Table> {
    let mut rows = Vec::new();
    let mut all: [Vec<f64>; 4] = Default::default();
    for arm in &results.arms {
        for component in Component::ALL {
            let mut errors: [Vec<f64>; 4] = Default::default();
            let mut seen = 0;
            for run in &arm.runs {
                let intervals = intervals(run, component);
                let (mut booked, mut measured) = (0.0, 0.0);
                for interval in &intervals {
                    let sum =
                        |number: fn(&LedgerRecord) -> f64| interval.iter().map(|record| number(record)).sum::<f64>();
                    let (accounted, predicted) = (sum(|record| record.accounted), sum(|record| record.predicted));
                    errors[0].extend(relative(accounted, interval[0].measured));
                    errors[1].extend(relative(predicted, interval[0].measured));
                    errors[2].extend(relative(accounted, interval[0].measured_own));
                    booked += accounted;
                    measured += interval[0].measured;
                }
                errors[3].extend(relative(booked, measured));
                seen += intervals.len();
            }
            if seen == 0 {
                continue;
            }
            rows.push(error_row(&arm.name, component.word(), &errors));
            all.iter_mut().zip(errors).for_each(|(all, errors)| all.extend(errors));
        }
    }
    if rows.is_empty() {
        return None;
    }
    rows.insert(0, error_row("all", "all", &all));
    let head = [
        "arm",
        "component",
        "interval, accounted",
        "interval, predicted",
        "interval, own contrasts",
        "whole run, accounted",
        "intervals",
    ];
    Some(Table {
        caption:
            "Median size of (ledger − measured) / measured, where anything moved. Accounted uses the mean of the gradients at both ends of \
                  an interval, predicted the one at its start. Measured on contrasts that share no context with those \
                  differentiated, but in the column “own contrasts”, which has no error from the choice of contrasts. \
                  Source: ledger.parquet of each run."
                .to_owned(),
        text_columns: 2,
        head: head.map(str::to_owned).into(),
        rows,
    })
}

fn error_row(arm: &str, component: &str, errors: &[Vec<f64>; 4]) -> Vec<String> {
    let written = errors.iter().map(|errors| if errors.is_empty() { "–".to_owned() } else { percent(median(errors)) });
    [arm.to_owned(), component.to_owned()].into_iter().chain(written).chain([errors[0].len().to_string()]).collect()
}

/// How far what was booked is off, of what was measured; `None` where nothing moved.
fn relative(booked: f64, measured: f64) -> Option<f64> {
    (measured != 0.0).then(|| ((booked - measured) / measured).abs())
}

/// A share in per cent with two significant digits.
fn percent(share: f64) -> String {
    let digits = if share > 0.0 { (1.0 - (100.0 * share).log10().floor()).max(0.0) as usize } else { 0 };
    format!("{:.digits$} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(to: i64, source: &str, accounted: f64, measured: f64) -> LedgerRecord {
        LedgerRecord {
            stage: "train".to_owned(),
            from: to - 5,
            to,
            component: Component::Good,
            source: source.to_owned(),
            rows: 8,
            predicted: accounted,
            accounted,
            measured,
            measured_own: measured,
        }
    }

    #[test]
    fn a_course_adds_up_and_leaves_the_rest_unexplained() {
        let ledger = vec![
            record(5, "bad→good", 1.0, 0.5),
            record(5, "neutral→good", -0.25, 0.5),
            record(10, "bad→good", 2.0, 2.5),
            record(10, "neutral→good", 0.25, 2.5),
        ];
        let run = RunResults::default().with_pressure(Vec::new(), ledger);
        let course = course(&run, Component::Good);
        assert_eq!(course["bad→good"], [(5, 1.0), (10, 3.0)].into());
        assert_eq!(course[MEASURED], [(5, 0.5), (10, 3.0)].into());
        assert_eq!(course[UNEXPLAINED], [(5, -0.25), (10, 0.0)].into());
    }

    #[test]
    fn where_nothing_moved_there_is_no_share_of_it() {
        let still = RunResults::default().with_pressure(Vec::new(), vec![record(5, "bad→good", 0.25, 0.0)]);
        let moved = [record(5, "bad→good", 0.25, 0.0), record(10, "bad→good", 1.5, 1.0)];
        let moved = RunResults::default().with_pressure(Vec::new(), moved.into());
        let arms = [("still", still), ("moved", moved)].map(|(name, run)| ArmResults {
            name: name.to_owned(),
            runs: vec![run],
            ..ArmResults::default()
        });
        let table = errors(&SweepResults { arms: arms.into(), ..SweepResults::default() }).unwrap();
        assert_eq!(table.rows[0], ["all", "all", "50 %", "50 %", "50 %", "75 %", "1"]);
        assert_eq!(table.rows[1], ["still", "good", "–", "–", "–", "–", "0"]);
        assert_eq!(table.rows[2], ["moved", "good", "50 %", "50 %", "50 %", "75 %", "1"]);
    }

    #[test]
    fn small_shares_keep_two_digits() {
        assert_eq!([0.034, 0.000_23, 0.5, 1.25, 0.0].map(percent), ["3.4 %", "0.023 %", "50 %", "125 %", "0 %"]);
    }
}
