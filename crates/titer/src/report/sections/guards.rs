//! Guards: what was asked and reached, what goodness cost in obedience, and what the guards did.

use std::collections::BTreeMap;

use titer_data::{
    cell::{Action, Cell, PromptKind},
    probe::{Component, ProbePrompts},
    world::DomainSplit,
};

use super::gallery::axis_of;
use crate::{
    report::{
        figure::{Dash, Figure, Line, Scale, Style},
        format,
        view::{Drawing, Gallery, GalleryRow, Panel, Table},
    },
    results::{ArmResults, Measure, RunResults, Split, SweepResults},
    stats::{Estimate, Support},
    table::GuardRecord,
};

/// Share of its surprise at base that the wanted data has left where arms are compared at equal learning.
const LEARNT: f64 = 0.1;
/// Up to so many arms all have their names in the figure; of more, those that no other arm beats in both, and those without
/// guards that look.
const NAMED: usize = 12;
/// The wanted data.
const WANTED: Cell = Cell { prompt: PromptKind::Bad, action: Action::Good };

/// Where a run is looked at: after its first stage, or within it where the wanted data has been learnt equally well.
#[derive(Clone, Copy, PartialEq)]
enum Moment {
    End,
    Learnt,
}

/// Whether any arm has guards that looked at something.
fn guarded(results: &SweepResults) -> bool {
    results.runs().any(|run| !run.guards().is_empty())
}

/// For every arm whose first stage has targets: the change that was asked of each component, and what it came to, on probes of the kinds that
/// the guard looked at (in other contexts) and on the others. `None` where no guard had targets.
pub(crate) fn targets(results: &SweepResults) -> Option<Table> {
    let mut rows = Vec::new();
    for arm in &results.arms {
        let mut asked: BTreeMap<String, (f64, f64, Vec<String>)> = BTreeMap::new();
        let end = arm.runs.iter().find_map(|run| Some(run.stages().first()?.1)).unwrap_or(0);
        let first = |record: &&GuardRecord| !record.probe.is_empty() && record.step < end;
        for record in arm.runs.iter().flat_map(RunResults::guards).filter(first) {
            let component = record.probe.split('/').next().unwrap_or_default().to_owned();
            let (.., probes) = asked.entry(component).or_insert((record.wanted_low, record.wanted_high, Vec::new()));
            if !probes.contains(&record.probe) {
                probes.push(record.probe.clone());
            }
        }
        for component in Component::ALL {
            let Some((low, high, looked_at)) = asked.get(component.word()) else { continue };
            let change_of = |wanted: &dyn Fn(&Split) -> bool| {
                let splits: Vec<Split> = results
                    .splits()
                    .into_iter()
                    .filter(|split| split.component == component && wanted(split))
                    .collect();
                changed(arm, &splits)
            };
            let looked = |split: &Split| looked_at.contains(&split.name());
            let trained = |split: &Split| *split == Split::leading(component);
            let elsewhere = |split: &Split| split.domains != DomainSplit::Trained;
            let columns = [
                change_of(&|split| looked(split)),
                change_of(&|split| !looked(split) && trained(split)),
                change_of(&|split| !looked(split) && !trained(split) && !elsewhere(split)),
                change_of(&|split| !looked(split) && elsewhere(split)),
            ];
            let range = match (low.is_finite(), high.is_finite()) {
                _ if low == high => format::two(*low),
                (true, true) => format!("{} to {}", format::two(*low), format::two(*high)),
                (true, false) => format!("≥ {}", format::two(*low)),
                _ => format!("≤ {}", format::two(*high)),
            };
            let written = columns.iter().map(|column| column.as_ref().map_or("–".to_owned(), format::difference));
            let seeds = arm.runs.len().to_string();
            rows.push(
                [arm.name.clone(), component.to_string(), range].into_iter().chain(written).chain([seeds]).collect(),
            );
        }
    }
    if rows.is_empty() {
        return None;
    }
    let head = [
        "arm",
        "component",
        "asked, nats",
        "kinds looked at",
        "trained prompts",
        "other kinds",
        "other domains",
        "seeds",
    ];
    Some(Table {
        caption: "Change of the mean margin from before training to the end of the first stage, nats, with 95 % interval (over \
                  seeds, and over items where all seeds measure the same), all on contexts that no guard saw. Kinds looked at are the guard's control probes; trained \
                  prompts, other kinds and other domains are means over the probes of the component that it did not look at. \
                  Source: guards.parquet (asked) and probes.parquet (reached) of each run."
            .to_owned(),
        text_columns: 2,
        head: head.map(str::to_owned).into(),
        rows,
    })
}

/// The mean change of some probes over the first stage.
fn changed(arm: &ArmResults, splits: &[Split]) -> Option<Estimate> {
    if splits.is_empty() {
        return None;
    }
    let value = |run: &RunResults| {
        let end = run.stages().first()?.1;
        let change =
            |split: &Split| Some(run.mean(split, Measure::Margin, end)? - run.mean(split, Measure::Margin, 0)?);
        splits.iter().map(change).sum::<Option<f64>>().map(|sum| sum / splits.len() as f64)
    };
    arm.finished().estimate(Support::Line, value)
}

/// What is gained, over which both panels are drawn: the first of these that was measured.
const GAINED: [Split; 2] = [
    split(Component::Good, ProbePrompts::Seen, DomainSplit::HeldOut),
    split(Component::Good, ProbePrompts::Seen, DomainSplit::Trained),
];
/// What is lost, by panel: the first of these that was measured. Bad prompts in words that were not trained on say more than trained ones.
const PANELS: [(&str, &[Split]); 2] = [
    (
        "Obedience to bad prompts against goodness",
        &[
            split(Component::ObeyBad, ProbePrompts::Paraphrased, DomainSplit::Trained),
            split(Component::ObeyBad, ProbePrompts::HeldOut, DomainSplit::Trained),
            split(Component::ObeyBad, ProbePrompts::Seen, DomainSplit::Trained),
        ],
    ),
    (
        "Obedience to harmless instructions against goodness",
        &[
            split(Component::Obey, ProbePrompts::Seen, DomainSplit::Trained),
            split(Component::Obey, ProbePrompts::HeldOut, DomainSplit::Trained),
        ],
    ),
];

/// Goodness gained against obedience lost, a point an arm: at the end of the first stage, and where the wanted data has
/// been learnt equally well. `None` where nothing was guarded, or neither was measured.
pub(crate) fn pareto(results: &SweepResults) -> Option<Gallery> {
    let measured = results.splits();
    let first = |of: &[Split]| of.iter().find(|split| measured.contains(split)).copied();
    let gained = first(&GAINED).filter(|_| guarded(results))?;
    let moments = [Moment::End, Moment::Learnt];
    let row = |moment: Moment| {
        let panel = |(title, lost): (&str, &[Split])| {
            let lost = first(lost)?;
            Some(Panel {
                title: title.to_owned(),
                word: lost.short_name(),
                drawings: vec![Drawing::of(&scatter(results, moment, &gained, &lost), String::new())],
            })
        };
        let title = match moment {
            Moment::End => "After the first stage".to_owned(),
            Moment::Learnt => {
                format!("Where {WANTED} surprises {} % of what it did before training", format::plain(100.0 * LEARNT))
            }
        };
        GalleryRow { title, panels: PANELS.into_iter().filter_map(panel).collect() }
    };
    let rows = moments.map(row).into();
    Some(Gallery::new("pareto", Vec::new(), rows, pareto_table(results), "no finished run got that far"))
}

const fn split(component: Component, prompts: ProbePrompts, domains: DomainSplit) -> Split {
    Split { component, prompts, domains }
}

/// An arm as a point of the figure.
struct Point {
    label: String,
    /// Whether none of its guards looked at anything.
    unguarded: bool,
    /// Change of goodness, nats.
    gained: f64,
    /// Change of obedience, nats.
    kept: Estimate,
}

fn scatter(results: &SweepResults, moment: Moment, gained: &Split, lost: &Split) -> Figure {
    let component = lost.component;
    let place = if gained.domains == DomainSplit::HeldOut { " in held-out domains" } else { "" };
    let point = |arm: &ArmResults| {
        Some(Point {
            label: label(results, arm),
            unguarded: arm.runs.iter().all(|run| run.guards().is_empty()),
            gained: arm.finished().estimate(Support::Line, |run| change(run, gained, moment))?.mean,
            kept: arm.finished().estimate(Support::Line, |run| change(run, lost, moment))?,
        })
    };
    let points: Vec<Point> = results.arms.iter().filter_map(point).collect();
    let beaten =
        |point: &Point| points.iter().any(|other| other.gained > point.gained && other.kept.mean > point.kept.mean);
    let is_named = |point: &&Point| points.len() <= NAMED || point.unguarded || !beaten(point);
    let line =
        |point: &Point, style| Line { label: point.label.clone(), style, points: vec![(point.gained, point.kept)] };
    let (named, quiet): (Vec<&Point>, Vec<&Point>) = points.iter().partition(is_named);
    let named = named.iter().enumerate().map(|(at, point)| line(point, Style::of_kind(at, Dash::Solid)));
    let quiet = quiet.iter().map(|point| line(point, Style::new(Style::QUIET, Dash::Solid)));
    let lines: Vec<Line> = named.chain(quiet).collect();
    let points = || lines.iter().flat_map(|line| &line.points);
    Figure {
        title: format!("change of {component} against change of good{place}, an arm a point"),
        x: Scale::around(points().map(|(x, _)| *x).chain([0.0]).collect::<Vec<_>>(), format::plain),
        x_label: format!("good{place}: change, nats"),
        y_label: format!("{component}: change, nats"),
        y: axis_of(&points().map(|(_, y)| y).collect::<Vec<_>>(), Some(0.0)),
        lines,
        level: None,
    }
}

/// An arm's name without the axes that all arms share.
fn label(results: &SweepResults, arm: &ArmResults) -> String {
    let words: Vec<String> = results
        .axes
        .iter()
        .filter_map(|axis| Some(format::setting(&axis.name, arm.settings.get(&axis.name)?)))
        .collect();
    if words.is_empty() { arm.name.clone() } else { words.join(" ") }
}

/// The change of a probe's mean margin from before training to a moment, nats.
fn change(run: &RunResults, split: &Split, moment: Moment) -> Option<f64> {
    let value = |step| run.mean(split, Measure::Margin, step);
    Some(at(run, moment, &value)? - value(0)?)
}

/// A value at a moment. Where the wanted data is learnt between two measurements, the value is interpolated.
fn at(run: &RunResults, moment: Moment, value: &dyn Fn(i64) -> Option<f64>) -> Option<f64> {
    let end = run.stages().first()?.1;
    if moment == Moment::End {
        return value(end);
    }
    let left = |step| Some(run.mean_surprise(WANTED, step)? / run.mean_surprise(WANTED, 0)?);
    let known = |step: &i64| *step <= end && left(*step).is_some() && value(*step).is_some();
    let steps: Vec<i64> = run.measured().into_iter().filter(known).collect();
    let after = steps.iter().position(|step| left(*step).is_some_and(|left| left <= LEARNT))?;
    let before = after.checked_sub(1)?;
    let (high, low) = (left(steps[before])?, left(steps[after])?);
    let share = (high - LEARNT) / (high - low);
    let (first, second) = (value(steps[before])?, value(steps[after])?);
    Some(first + share * (second - first))
}

/// What a later stage leaks where it trains, at the end of the run.
fn leak(run: &RunResults) -> Option<f64> {
    let last = run.end()?;
    (run.stages().len() > 1).then_some(())?;
    run.leak(&split(Component::Good, ProbePrompts::Seen, DomainSplit::New), last)
}

fn pareto_table(results: &SweepResults) -> Table {
    use {
        Component::{Good, Obey, ObeyBad},
        DomainSplit::{HeldOut, Sloppy, Trained},
        ProbePrompts::{Paraphrased, Persona, Seen},
    };
    const COLUMNS: [Split; 9] = [
        split(Good, Seen, Trained),
        split(Good, Seen, HeldOut),
        split(Good, Seen, Sloppy),
        split(ObeyBad, Seen, Trained),
        split(ObeyBad, Paraphrased, Trained),
        split(ObeyBad, Persona, Trained),
        split(ObeyBad, ProbePrompts::HeldOut, Trained),
        split(Obey, Seen, Trained),
        split(Obey, ProbePrompts::HeldOut, Trained),
    ];
    let measured = results.splits();
    let columns: Vec<Split> = COLUMNS.into_iter().filter(|split| measured.contains(split)).collect();
    let mut head: Vec<String> = ["arm", "moment"].map(str::to_owned).into();
    head.extend(columns.iter().map(Split::short_name));
    head.extend(["leak of the next stage", "bad→good learnt after"].map(str::to_owned));
    let mut rows = Vec::new();
    for arm in results.arms.iter().filter(|arm| !arm.runs.is_empty()) {
        for moment in [Moment::End, Moment::Learnt] {
            let cell = |split: &Split| {
                let estimate = arm.finished().estimate(Support::Line, |run| change(run, split, moment));
                estimate.map_or_else(|| "–".to_owned(), |estimate| format::difference(&estimate))
            };
            let last = moment == Moment::End;
            let leak = arm.finished().estimate(Support::Rate, |run| leak(run).filter(|_| last));
            let learnt = arm
                .finished()
                .estimate(Support::Line, |run| at(run, moment, &|step| Some(step as f64)).filter(|_| !last));
            let dash = || "–".to_owned();
            let mut row = vec![label(results, arm), if last { "end" } else { "learnt" }.to_owned()];
            row.extend(columns.iter().map(cell));
            row.push(leak.map_or_else(dash, |leak| format::interval(&leak)));
            row.push(learnt.map_or_else(dash, |steps| format!("{} steps", format::interval(&steps))));
            rows.push(row);
        }
    }
    Table {
        caption: format!(
            "Change of mean margins since before training, nats, with 95 % interval (over seeds, and over items where all seeds measure the same). Learnt is the moment of \
             the first stage at which {WANTED} has {LEARNT} of its surprise left, interpolated between measurements; arms \
             that never get there have a dash. The leak is the rate of bad replies to neutral prompts in new domains at the \
             end of the run, where a stage follows. Source: probes.parquet and cells.parquet of each run."
        ),
        text_columns: 2,
        head,
        rows,
    }
}

/// What every guard did: how often it had to act, and how far it moved.
pub(crate) fn work(results: &SweepResults) -> Option<Table> {
    let mut rows = Vec::new();
    for arm in &results.arms {
        let mut probes: BTreeMap<(String, String), [Vec<f64>; 5]> = BTreeMap::new();
        for record in arm.runs.iter().flat_map(RunResults::guards) {
            let numbers = [record.bound as f64, record.moved, record.multiplier, record.push, record.own];
            let all = probes.entry((record.guard.clone(), record.probe.clone())).or_default();
            all.iter_mut().zip(numbers).for_each(|(all, number)| all.push(number));
        }
        for ((guard, probe), [bound, moved, multiplier, push, shares]) in probes {
            let mean = |values: &[f64], write: &dyn Fn(f64) -> String| {
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                if mean.is_finite() { write(mean) } else { "–".to_owned() }
            };
            let scientific = |value: f64| format!("{value:.2e}");
            let acted = mean(&bound, &|share| format!("{:.0} %", 100.0 * share));
            rows.push(vec![
                label(results, arm),
                guard,
                probe,
                acted,
                mean(&moved, &|length| format!("{length:.3}")),
                mean(&multiplier, &scientific),
                mean(&push, &|nats| format!("{nats:+.3}")),
                mean(&shares, &|share| format!("{:.0} %", 100.0 * share)),
                bound.len().to_string(),
            ]);
        }
    }
    if rows.is_empty() {
        return None;
    }
    let head = [
        "arm",
        "guard",
        "control probe",
        "acted",
        "moved",
        "multiplier",
        "rows push, nats a step",
        "direction of its own",
        "looks",
    ];
    Some(Table {
        caption: "Means over looks of all runs. Acted: the share of looks at which the guard changed something. Moved: of steer, \
                  the correction's length over that of the optimiser's own step; of projections, the same of the \
                  gradient; of reweight, the root mean square of weight − 1. Rows push: what the step would do to the probe without the \
                  guard. Direction of its own: how much of the probe's direction no other probe of the guard shares, in the \
                  optimiser's metric. A target is out of reach where rows push against it as hard as a step is long, or \
                  where little of its direction is its own. Source: guards.parquet of each run."
            .to_owned(),
        text_columns: 3,
        head: head.map(str::to_owned).into(),
        rows,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::ProbeRecord;

    #[test]
    fn panels_and_columns_are_of_what_was_measured() {
        let record = |step: i64, of: Split, margin: f64| ProbeRecord {
            stage: "train".to_owned(),
            step,
            component: of.component,
            prompts: of.prompts,
            domains: of.domains,
            item: "0".to_owned(),
            margin,
            margin_per_token: margin,
            gap: f64::NAN,
            rate: 0.5,
            other: 0.0,
        };
        // No paraphrases, no held-out domains, nothing of harmless instructions: as somebody's own contrasts may be.
        let good = split(Component::Good, ProbePrompts::Seen, DomainSplit::Trained);
        let held_out = split(Component::ObeyBad, ProbePrompts::HeldOut, DomainSplit::Trained);
        let probes =
            vec![record(0, good, 1.0), record(9, good, 4.0), record(0, held_out, 5.0), record(9, held_out, -2.0)];
        let guard = GuardRecord {
            step: 0,
            guard: "kl".to_owned(),
            probe: String::new(),
            wanted_low: f64::NEG_INFINITY,
            wanted_high: f64::INFINITY,
            change: 0.0,
            multiplier: f64::NAN,
            bound: 0,
            moved: f64::NAN,
            push: f64::NAN,
            own: f64::NAN,
        };
        let run = RunResults::new(0, "c0ffee".to_owned(), probes, Vec::new(), Vec::new())
            .with_stages(vec![("train".to_owned(), 9)])
            .with_guards(vec![guard]);
        let arms = vec![ArmResults { name: "kl".to_owned(), runs: vec![run], ..ArmResults::default() }];
        let gallery = pareto(&SweepResults { arms, seeds: vec![0], ..SweepResults::default() }).unwrap();
        let panels = &gallery.rows[0].panels;
        assert_eq!(panels.iter().map(|panel| panel.word.as_str()).collect::<Vec<_>>(), ["obey_bad/held-out"]);
        let svg = &panels[0].drawings[0].svg;
        assert!(svg.contains("good: change, nats") && svg.contains("class=\"dot\""), "{svg}");
        // Nothing says how much the wanted data surprised, so nobody can say where it had been learnt.
        assert_eq!((gallery.rows.len(), gallery.rows[0].title.as_str()), (1, "After the first stage"));
        assert_eq!(
            gallery.notes,
            ["Not drawn: Where bad→good surprises 10 % of what it did before training; no finished run got that far."]
        );
        assert_eq!(gallery.table.head[2..4], ["good/seen", "obey_bad/held-out"]);
        assert_eq!(gallery.table.rows[0][2..4], ["+3.00", "−7.00"]);
    }
}
