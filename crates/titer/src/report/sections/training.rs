//! Along training: the leading split of every component at each measurement, for a few doses.

use super::gallery::{Shown, drawings, level_axis, rows};
use crate::{
    report::{
        family::SplitFamily,
        figure::{Dash, Figure, Line, Scale, Style},
        format,
        series::{Dose, Series},
        view::{Gallery, Table},
    },
    results::{ArmResults, At, Measure, Split, SweepResults},
};

/// Colours of amounts, from little to much.
const AMOUNTS: [&str; 5] = ["q0", "q1", "q2", "q3", "q4"];

/// How the lines are read: amounts can be told by their strength, names cannot.
pub(crate) fn how_to_read(dose: &Dose) -> String {
    let lines = match dose.numbers() {
        Some(doses) if doses.len() > 1 => "for some doses; the stronger a line, the larger the dose.",
        _ if dose.values.len() > 1 => "for some arms, from light to strong in the order of the spec.",
        _ => "with intervals.",
    };
    format!("The leading probe of each component at every measurement, {lines}")
}

/// Rows of one panel for each component, one row for each series; `None` where nothing was measured between the
/// start and the end.
pub(crate) fn components(
    results: &SweepResults,
    dose: &Dose,
    series: &[Series],
    families: &[&SplitFamily],
) -> Option<Gallery> {
    let between =
        |family: &&SplitFamily| results.arms.iter().any(|arm| arm.finished().moments(family.leading()).len() > 2);
    if !families.iter().any(between) {
        return None;
    }
    let figure = |series: &Series, family: &SplitFamily, shown: Shown| {
        let lines = lines(results, dose, series, family.leading(), shown.measure());
        let steps = lines.iter().flat_map(|line| line.points.iter().map(|(step, _)| *step));
        Figure {
            title: format!("{}: {} along training, {}", family.title, shown.choice().label, series.title),
            x: Scale::around(steps.collect::<Vec<_>>(), format::plain),
            x_label: "optimiser steps".to_owned(),
            y: Scale::unit(),
            y_label: shown.choice().label.to_owned(),
            lines,
            level: None,
        }
    };
    let choices = Shown::levels(results);
    let panels = drawings(series, families, &choices, level_axis, figure);
    Some(Gallery::new(
        "training",
        choices.into_iter().map(Shown::choice).collect(),
        rows(series, families, panels, |family| format!("{}, {}", family.title, family.leading().label())),
        table(results, dose, series, families),
        "no run of these arms is finished",
    ))
}

/// At most five arms of a series, its ends among them, and its control where that is not one of them.
fn chosen<'a>(results: &'a SweepResults, dose: &Dose, series: &Series) -> Vec<(String, Style, &'a ArmResults)> {
    let last = series.arms.len() - 1;
    let count = series.arms.len().min(AMOUNTS.len());
    let pick = |index: usize| if count == 1 { 0 } else { (index * last + (count - 1) / 2) / (count - 1) };
    let mut arms: Vec<_> = (0..count)
        .map(|index| {
            let (position, arm) = series.arms[pick(index)];
            let colour = AMOUNTS[if count == 1 { 4 } else { index * 4 / (count - 1) }];
            (dose.value(position), Style::new(colour, Dash::Solid), &results.arms[arm])
        })
        .collect();
    if let Some(control) = series.control.filter(|control| series.arms.iter().all(|(_, arm)| arm != control)) {
        arms.push(("control".to_owned(), Style::new("level", Dash::Long), &results.arms[control]));
    }
    arms.reverse();
    arms
}

fn lines(results: &SweepResults, dose: &Dose, series: &Series, split: &Split, measure: Measure) -> Vec<Line> {
    let line = |(label, style, arm): (String, Style, &ArmResults)| {
        let point = |step: i64| Some((step as f64, arm.finished().probe(split, measure, At::Step(step)).estimate()?));
        Line { label, style, points: arm.finished().moments(split).into_iter().filter_map(point).collect() }
    };
    chosen(results, dose, series).into_iter().map(line).filter(|line| !line.points.is_empty()).collect()
}

fn table(results: &SweepResults, dose: &Dose, series: &[Series], families: &[&SplitFamily]) -> Table {
    let mut rows = Vec::new();
    for series in series {
        for (label, _, arm) in chosen(results, dose, series) {
            for split in families.iter().map(|family| family.leading()) {
                for step in arm.finished().moments(split) {
                    let estimate = |measure| arm.finished().probe(split, measure, At::Step(step)).estimate();
                    let Some(margin) = estimate(Measure::Margin) else { continue };
                    let written = |measure| {
                        estimate(measure).map_or_else(|| "–".to_owned(), |estimate| format::interval(&estimate))
                    };
                    rows.push(vec![
                        series.title.clone(),
                        label.clone(),
                        split.component.to_string(),
                        step.to_string(),
                        written(Measure::Rate),
                        written(Measure::Margin),
                        written(Measure::Gap),
                        format::counts(&margin),
                        margin.method.to_string(),
                    ]);
                }
            }
        }
    }
    let name = dose.head();
    let head = ["series", name, "component", "step", "rate", "margin, nats", "gap, nats", "behind it", "interval"];
    Table {
        caption: "Mean and 95 % interval at every measurement. Source: probes.parquet of each run.".to_owned(),
        text_columns: 3,
        head: head.map(str::to_owned).into(),
        rows,
    }
}
