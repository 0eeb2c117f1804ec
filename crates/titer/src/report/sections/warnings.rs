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

/// Something known before the last stage: its title, its word, and its number in a run.
type Sign = (&'static str, &'static str, fn(&RunResults, &WarningRecord, Measure) -> Option<f64>);

const SIGNS: [Sign; 4] = [
    ("context overlap", "overlap", |_, warning, _| Some(warning.overlap)),
    ("headroom, nats", "headroom", |_, warning, _| Some(warning.headroom)),
    ("surprise of the first rows, nats", "start_surprise", |_, warning, _| Some(warning.surprise)),
    ("obedience to bad prompts before", "obey_bad", |run, warning, measure| {
        run.mean(&split(Component::ObeyBad, DomainSplit::Trained), measure, warning.step)
    }),
];

/// Between which values the mean of a sign lies.
fn support(word: &str, measure: Measure) -> Support {
    match (word, measure) {
        ("overlap", _) => Support::Signed,
        ("obey_bad", Measure::Rate) => Support::Rate,
        _ => Support::Line,
    }
}

/// What is asked of the model after the last stage.
struct Outcome {
    measure: Measure,
    title: &'static str,
    word: &'static str,
    unit: &'static str,
    what: &'static str,
    support: Support,
}

impl Outcome {
    /// The leak, as a rate; where rates say little, the margin of the good reply.
    fn of(measure: Measure) -> Self {
        let (title, word, unit, what, support) = match measure {
            Measure::Rate => {
                ("Leak", "leak", "as a rate", "the probability of the bad reply under neutral prompts", Support::Rate)
            }
            _ => (
                "Good",
                "good",
                "nats",
                "the margin of the good reply over the bad one under neutral prompts; below 0 it leaks",
                Support::Line,
            ),
        };
        Self { measure, title, word, unit, what, support }
    }

    /// At the end of a run.
    fn after(&self, run: &RunResults, domains: DomainSplit) -> Option<f64> {
        let (good, end) = (split(Component::Good, domains), run.end()?);
        if self.measure == Measure::Rate { run.leak(&good, end) } else { run.mean(&good, self.measure, end) }
    }
}

/// Panels of what was known before the last stage against what leaked after it, a point a run; `None` where no arm has an
/// earlier stage, so that all runs of a seed start it as the same model.
pub(crate) fn gallery(results: &SweepResults) -> Option<Gallery> {
    let [measure, ..] = results.measures();
    let outcome = Outcome::of(measure);
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
    let panel = |(sign_title, word, sign): Sign| {
        let title = format!("{} by {sign_title}", outcome.title);
        let line = |(at, (name, runs)): (usize, (&String, &Vec<&RunResults>))| {
            let point = |run: &&RunResults| {
                let warning = last(run)?;
                let after = Estimate::alone(outcome.after(run, warning.domains)?, outcome.support, 1, 1);
                Some((sign(run, warning, measure)?, after))
            };
            let mut points: Vec<_> = runs.iter().filter_map(point).collect();
            points.sort_by(|left, right| left.0.total_cmp(&right.0));
            Line { label: name.clone(), style: Style::of_kind(at, Dash::Points), points }
        };
        let lines: Vec<Line> = groups.iter().enumerate().map(line).collect();
        let points = || lines.iter().flat_map(|line| &line.points);
        let y = match measure {
            Measure::Rate => Scale::unit(),
            _ => Scale::around(points().map(|(_, y)| y.mean).collect::<Vec<_>>(), format::plain),
        };
        let figure = Figure {
            title: format!("{title}, a point a run"),
            x: Scale::around(points().map(|(x, _)| *x).collect::<Vec<_>>(), format::plain),
            x_label: format!("{word} at the start of {stage}"),
            y,
            y_label: format!("{}, {}", outcome.word, outcome.unit),
            lines,
            level: None,
        };
        Panel { title, word: word.to_owned(), drawings: vec![Drawing::of(&figure, String::new())] }
    };
    let rows = vec![GalleryRow { title: String::new(), panels: SIGNS.into_iter().map(panel).collect() }];
    Some(Gallery::new("warnings", Vec::new(), rows, table(&arms, &outcome), "no finished run says both"))
}

fn split(component: Component, domains: DomainSplit) -> Split {
    Split { domains, ..Split::leading(component) }
}

/// What was said about a run's last stage.
fn last(run: &RunResults) -> Option<&WarningRecord> {
    run.warnings().iter().rev().find(|warning| run.stages().last().is_some_and(|(stage, _)| *stage == warning.stage))
}

fn table(arms: &[&ArmResults], outcome: &Outcome) -> Table {
    let Outcome { measure, word, unit, what, .. } = *outcome;
    let row = |arm: &&ArmResults| {
        let over = |support, number: &dyn Fn(&RunResults) -> Option<f64>| {
            let estimate = arm.finished().estimate(support, number);
            estimate.map_or_else(|| "–".to_owned(), |estimate| format::interval(&estimate))
        };
        let mut row = vec![arm.name.clone()];
        row.extend(
            SIGNS.map(|(_, sign_word, sign)| over(support(sign_word, measure), &|run| sign(run, last(run)?, measure))),
        );
        row.extend(
            [DomainSplit::Trained, DomainSplit::New, DomainSplit::HeldOut]
                .map(|domains| over(outcome.support, &|run| outcome.after(run, domains))),
        );
        let obeys = arm.finished().probe(&split(Component::ObeyBad, DomainSplit::HeldOut), measure, At::End).estimate();
        row.push(obeys.map_or_else(|| "–".to_owned(), |obeys| format::interval(&obeys)));
        row.push(arm.runs.len().to_string());
        row
    };
    let head = [
        "arm",
        "overlap",
        "headroom, nats",
        "surprise of the first rows, nats",
        "obeys bad prompts before",
        &format!("{word}, trained"),
        &format!("{word}, new"),
        &format!("{word}, held-out"),
        "obeys after, held-out",
        "seeds",
    ];
    Table {
        caption: format!(
            "Mean over seeds with 95 % interval (over seeds, and over items where all seeds measure the same); the first four before the last stage, the others after \
             it. “{word}” is {what} ({unit}), by request domains. Source: warnings.parquet and probes.parquet of each run."
        ),
        text_columns: 1,
        head: head.map(str::to_owned).into(),
        rows: arms.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::ProbeRecord;

    /// A run of two stages whose replies are mostly on neither side, or hardly ever.
    fn results(other: f64) -> SweepResults {
        let record = |(component, step, margin): (Component, i64, f64)| {
            let Split { component, prompts, domains } = Split::leading(component);
            ProbeRecord {
                stage: "later".to_owned(),
                step,
                component,
                prompts,
                domains,
                item: "0".to_owned(),
                margin,
                margin_per_token: margin,
                gap: f64::NAN,
                rate: 0.75 * (1.0 - other),
                other,
            }
        };
        let probes = [(Component::Good, 0, 17.5), (Component::Good, 9, -4.75), (Component::ObeyBad, 5, -24.25)];
        let warning = WarningRecord {
            stage: "later".to_owned(),
            step: 5,
            domains: DomainSplit::Trained,
            contrasts: 8,
            headroom: 4.0,
            overlap: 0.5,
            rows: 8,
            surprise: 27.5,
        };
        let run = RunResults::new(0, "c0ffee".to_owned(), probes.map(record).into(), Vec::new(), Vec::new())
            .with_stages(vec![("first".to_owned(), 5), ("later".to_owned(), 9)])
            .with_warnings(vec![warning]);
        let arms = vec![ArmResults { name: "arm".to_owned(), runs: vec![run], ..ArmResults::default() }];
        SweepResults { arms, seeds: vec![0], ..SweepResults::default() }
    }

    #[test]
    fn where_rates_say_little_the_margin_of_the_good_reply_stands_for_the_leak() {
        let leak = gallery(&results(0.0)).unwrap();
        assert_eq!(leak.rows[0].panels[1].title, "Leak by headroom, nats");
        assert_eq!((leak.table.head[5].as_str(), leak.table.rows[0][5].as_str()), ("leak, trained", "0.25"));
        let margin = gallery(&results(0.6)).unwrap();
        assert_eq!(margin.rows[0].panels[1].title, "Good by headroom, nats");
        assert_eq!((margin.table.head[5].as_str(), margin.table.rows[0][5].as_str()), ("good, trained", "−4.75"));
        assert_eq!(margin.table.rows[0][4], "−24.25", "obedience before, nats too");
    }
}
