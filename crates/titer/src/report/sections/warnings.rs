//! Early warnings: what could be said before an arm's last stage trained, beside what it leaked.

use std::collections::BTreeMap;

use titer_data::{probe::Component, world::DomainSplit};

use crate::{
    report::{
        figure::{Dash, Figure, Line, Scale, Style},
        format,
        view::{Drawing, Gallery, GalleryRow, Panel, Table},
    },
    results::{ArmResults, At, Measure, RunResults, Split, SweepResults},
    stats::{Estimate, Support},
    table::WarningRecord,
};

/// Colours of what the last stage trains.
const COLOURS: [&str; 6] = ["c0", "c1", "c2", "c3", "c4", "c5"];

/// Something known before the last stage: its title, its word, where it lies, and its number in a run.
type Sign = (&'static str, &'static str, Support, fn(&RunResults, &WarningRecord) -> Option<f64>);

const SIGNS: [Sign; 4] = [
    ("Leak by context overlap", "overlap", Support::Signed, |_, warning| Some(warning.overlap)),
    ("Leak by headroom, nats", "headroom", Support::Line, |_, warning| Some(warning.headroom)),
    ("Leak by surprise of the first rows, nats", "start_surprise", Support::Line, |_, warning| Some(warning.surprise)),
    ("Leak by obedience to bad prompts before", "obey_bad", Support::Rate, |run, warning| {
        run.mean(&split(Component::ObeyBad, DomainSplit::Trained), Measure::Rate, warning.step)
    }),
];

/// Panels of what was known before the last stage against what leaked after it, a point a run; `None` where no arm has an
/// earlier stage, so that all runs of a seed start it as the same model, and where rates, so the leak, say little.
pub(crate) fn gallery(results: &SweepResults) -> Option<Gallery> {
    if results.measures()[0] != Measure::Rate {
        return None;
    }
    let staged = |arm: &&ArmResults| arm.runs.iter().any(|run| run.stages().len() > 1 && last(run).is_some());
    let arms: Vec<&ArmResults> = results.arms.iter().filter(staged).collect();
    let stage = &arms.first()?.runs.first()?.stages().last()?.0;
    let mut groups: BTreeMap<String, Vec<&RunResults>> = BTreeMap::new();
    for arm in &arms {
        let of_stage = arm.settings.iter().filter(|(axis, _)| axis.starts_with(&format!("{stage}.")));
        let name: Vec<String> = of_stage.map(|(axis, value)| format::setting(axis, value)).collect();
        let name = if name.is_empty() { arm.name.clone() } else { name.join(", ") };
        // What is added as a control has no setting that says what it trains.
        groups.entry(name).or_default().extend(&arm.runs);
    }
    let panel = |(title, word, _, sign): Sign| {
        let line = |(at, (name, runs)): (usize, (&String, &Vec<&RunResults>))| {
            let point = |run: &&RunResults| {
                let warning = last(run)?;
                Some((sign(run, warning)?, Estimate::alone(leak(run, warning.domains)?, Support::Rate, 1, 1)))
            };
            let mut points: Vec<_> = runs.iter().filter_map(point).collect();
            points.sort_by(|left, right| left.0.total_cmp(&right.0));
            Line {
                label: name.clone(),
                style: Style { colour: COLOURS[at % COLOURS.len()], dash: Dash::Points },
                points,
            }
        };
        let lines: Vec<Line> = groups.iter().enumerate().map(line).collect();
        let places = lines.iter().flat_map(|line| line.points.iter().map(|(x, _)| *x));
        let figure = Figure {
            title: format!("{title}, a point a run"),
            x: Scale::around(places.collect::<Vec<_>>(), format::plain),
            x_label: format!("{word} at the start of {stage}"),
            y: Scale::unit(),
            y_label: "leak, as a rate".to_owned(),
            lines,
            level: None,
        };
        Panel {
            title: title.to_owned(),
            word: word.to_owned(),
            drawings: vec![Drawing { classes: String::new(), svg: figure.svg() }],
        }
    };
    let rows = vec![GalleryRow { title: String::new(), panels: SIGNS.into_iter().map(panel).collect() }];
    Some(Gallery { id: "warnings", choices: Vec::new(), rows, table: table(&arms) })
}

fn split(component: Component, domains: DomainSplit) -> Split {
    Split { domains, ..Split::leading(component) }
}

/// What was said about a run's last stage.
fn last(run: &RunResults) -> Option<&WarningRecord> {
    run.warnings().iter().rev().find(|warning| run.stages().last().is_some_and(|(stage, _)| *stage == warning.stage))
}

/// The probability of the bad reply under neutral prompts, at the end.
fn leak(run: &RunResults, domains: DomainSplit) -> Option<f64> {
    run.leak(&split(Component::Good, domains), *run.measured().last()?)
}

fn table(arms: &[&ArmResults]) -> Table {
    let row = |arm: &&ArmResults| {
        let over = |support, number: &dyn Fn(&RunResults) -> Option<f64>| {
            let estimate = arm.finished().estimate(support, number);
            estimate.map_or_else(|| "–".to_owned(), |estimate| format::interval(&estimate))
        };
        let mut row = vec![arm.name.clone()];
        row.extend(SIGNS.map(|(_, _, support, sign)| over(support, &|run| sign(run, last(run)?))));
        row.extend(
            [DomainSplit::Trained, DomainSplit::New, DomainSplit::HeldOut]
                .map(|domains| over(Support::Rate, &|run| leak(run, domains))),
        );
        let after =
            arm.finished().probe(&split(Component::ObeyBad, DomainSplit::HeldOut), Measure::Rate, At::End).estimate();
        row.push(after.map_or_else(|| "–".to_owned(), |after| format::interval(&after)));
        row.push(arm.runs.len().to_string());
        row
    };
    let head = [
        "arm",
        "overlap",
        "headroom, nats",
        "surprise of the first rows, nats",
        "obeys bad prompts before",
        "leak, trained",
        "leak, new",
        "leak, held-out",
        "obeys after, held-out",
        "seeds",
    ];
    Table {
        caption:
            "Mean over seeds with 95 % interval (over seeds, and over items where all seeds measure the same); the first four before the last stage, the others after \
                  it. The leak is the probability of the bad reply under neutral prompts, by request domains. Source: \
                  warnings.parquet and probes.parquet of each run."
                .to_owned(),
        text_columns: 1,
        head: head.map(str::to_owned).into(),
        rows: arms.iter().map(row).collect(),
    }
}
