//! Panels over series and components: what the dose–response and the effect figures share.

use crate::{
    plan::Setting,
    report::{
        family::SplitFamily,
        figure::{Figure, Line, Scale},
        format,
        series::{Dose, Series},
        view::{Drawing, GalleryRow, MeasureChoice, Panel, Table},
    },
    results::{Measure, Split, SweepResults},
    stats::Estimate,
};

/// How a split of an arm is turned into an estimate: the arm itself, or its difference from something.
pub(crate) type PlottedValue<'a> = &'a dyn Fn(usize, &Split, Measure) -> Option<Estimate>;

/// How an estimate is written in a table.
pub(crate) type WriteEstimate = fn(&Estimate) -> String;

/// What a figure can show: a measure, or rates on an axis of log-odds, where those near 0 and 1 can be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// A measure on its own axis.
    As(Measure),
    /// Rates on an axis of log-odds.
    LogOdds,
}

impl Shown {
    /// What can be shown of levels, the one shown at first in front.
    pub(crate) fn levels(results: &SweepResults) -> Vec<Self> {
        let of_measure = |measure| {
            let log_odds = (measure == Measure::Rate).then_some(Self::LogOdds);
            [Self::As(measure)].into_iter().chain(log_odds)
        };
        results.measures().into_iter().flat_map(of_measure).collect()
    }

    /// What is measured.
    pub(crate) fn measure(self) -> Measure {
        match self {
            Self::As(measure) => measure,
            Self::LogOdds => Measure::Rate,
        }
    }

    /// The word in class names and on buttons.
    pub(crate) fn choice(self) -> MeasureChoice {
        let (key, label) = match self {
            Self::As(Measure::Rate) => ("rate", "rate"),
            Self::As(Measure::Margin) => ("margin", "margin, nats"),
            Self::As(Measure::Gap) => ("gap", "gap, nats"),
            Self::As(Measure::Other) => ("other", "other"),
            Self::LogOdds => ("log-odds", "rate, log-odds axis"),
        };
        MeasureChoice { key, label }
    }
}

/// The horizontal axis of a dose.
pub(crate) fn dose_scale(dose: &Dose) -> Scale {
    let label = |number| format::setting(&dose.name, &Setting::Number(number));
    match dose.numbers() {
        Some(numbers) => Scale::amounts(&numbers, label),
        None if dose.values.is_empty() => Scale::slots(&["all runs".to_owned()]),
        None => Scale::slots(&(0..dose.values.len()).map(|position| dose.value(position)).collect::<Vec<_>>()),
    }
}

/// One line for each split, over the arms of a series.
pub(crate) fn dose_lines(
    dose: &Dose,
    series: &Series,
    splits: &[Split],
    measure: Measure,
    value: PlottedValue<'_>,
) -> Vec<Line> {
    let numbers = dose.numbers();
    let place = |position: usize| numbers.as_ref().map_or(position as f64, |numbers| numbers[position]);
    let line = |split: &Split| {
        let point = |&(position, arm): &(usize, usize)| Some((place(position), value(arm, split, measure)?));
        Line { label: split.label(), style: split.style(), points: series.arms.iter().filter_map(point).collect() }
    };
    splits.iter().map(line).filter(|line| !line.points.is_empty()).collect()
}

/// The axis of levels: a rate from 0 to 1, log-odds and nats as far as the column reaches.
pub(crate) fn level_axis(shown: Shown, column: &[Figure]) -> Scale {
    match shown {
        Shown::As(Measure::Rate) => Scale::unit(),
        Shown::LogOdds => {
            let ends =
                ends_within(&estimates(column).collect::<Vec<_>>(), None, |rate| (rate / (1.0 - rate)).ln(), DECADE);
            Scale::log_odds(ends.into_iter().map(|odds| 1.0 / (1.0 + (-odds).exp())))
        }
        Shown::As(_) => axis_around(column, None),
    }
}

/// The axis of differences: as far as the column reaches, 0 included.
pub(crate) fn difference_axis(_: Shown, column: &[Figure]) -> Scale {
    axis_around(column, Some(0.0))
}

/// Everything that is drawn in a column.
fn estimates(column: &[Figure]) -> impl Iterator<Item = &Estimate> {
    let points =
        column.iter().flat_map(|figure| figure.lines.iter().flat_map(|line| line.points.iter().map(|(_, at)| at)));
    points.chain(column.iter().filter_map(|figure| Some(&figure.level.as_ref()?.1)))
}

/// An axis that holds all these figures' means, and their intervals as far as they do not dwarf the means.
fn axis_around(column: &[Figure], also: Option<f64>) -> Scale {
    axis_of(&estimates(column).collect::<Vec<_>>(), also)
}

/// The same of these estimates; what has no room is for the drawing to mark.
pub(crate) fn axis_of(estimates: &[&Estimate], also: Option<f64>) -> Scale {
    Scale::around(ends_within(estimates, also, |number| number, 0.0), format::plain)
}

/// How far intervals may go beyond all means on an axis of log-odds: to a tenth of the smallest rate.
const DECADE: f64 = std::f64::consts::LN_10;

/// Means and the ends of intervals on an axis' own scale, those that lie far beyond all means pulled in: to a quarter of the means' range, or
/// `least`.
fn ends_within(estimates: &[&Estimate], also: Option<f64>, on_axis: fn(f64) -> f64, least: f64) -> Vec<f64> {
    let means: Vec<f64> =
        estimates.iter().map(|estimate| on_axis(estimate.mean)).chain(also).filter(|mean| mean.is_finite()).collect();
    let (low, high) =
        means.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), mean| (low.min(*mean), high.max(*mean)));
    let slack = (0.25 * (high - low).max(0.1)).max(least);
    let ends = estimates
        .iter()
        .flat_map(|estimate| [on_axis(estimate.low).max(low - slack), on_axis(estimate.high).min(high + slack)]);
    ends.filter(|end| end.is_finite()).chain(means.iter().copied()).collect()
}

/// The drawings of every panel, `[series][families]`, one for each thing that can be shown. Panels of a column share their vertical
/// axis, so that series can be compared. A measure that a family lacks is shown as its margin.
pub(crate) fn drawings(
    series: &[Series],
    families: &[&SplitFamily],
    choices: &[Shown],
    axis: fn(Shown, &[Figure]) -> Scale,
    figure: impl Fn(&Series, &SplitFamily, Shown) -> Figure,
) -> Vec<Vec<Vec<Drawing>>> {
    let mut panels = vec![vec![Vec::new(); families.len()]; series.len()];
    for (at, family) in families.iter().enumerate() {
        let shown_as = |shown: Shown| if family.has(shown.measure()) { shown } else { Shown::As(Measure::Margin) };
        for shown in choices.iter().copied().filter(|shown| family.has(shown.measure())) {
            let keys = choices.iter().filter(|chosen| shown_as(**chosen) == shown);
            let classes: Vec<_> = keys.map(|chosen| format!("m-{}", chosen.choice().key)).collect();
            let column: Vec<Figure> = series.iter().map(|series| figure(series, family, shown)).collect();
            let y = axis(shown, &column);
            for (row, figure) in column.into_iter().enumerate() {
                panels[row][at].push(Drawing::of(&Figure { y: y.clone(), ..figure }, classes.join(" ")));
            }
        }
    }
    panels
}

/// One row for each series, one panel for each family.
pub(crate) fn rows(
    series: &[Series],
    families: &[&SplitFamily],
    panels: Vec<Vec<Vec<Drawing>>>,
    title: impl Fn(&SplitFamily) -> String,
) -> Vec<GalleryRow> {
    let panel = |(family, drawings): (&&SplitFamily, Vec<Drawing>)| Panel {
        title: title(family),
        word: family.component.to_string(),
        drawings,
    };
    let row = |(series, drawings): (&Series, Vec<Vec<Drawing>>)| GalleryRow {
        title: series.title.clone(),
        panels: families.iter().zip(drawings).map(panel).collect(),
    };
    series.iter().zip(panels).map(row).collect()
}

/// Every number behind a gallery: one row for each arm and split.
pub(crate) fn table(
    caption: String,
    dose: &Dose,
    series: &[Series],
    families: &[&SplitFamily],
    value: PlottedValue<'_>,
    write: WriteEstimate,
) -> Table {
    let titled = series.iter().any(|series| !series.title.is_empty());
    let gaps = families.iter().any(|family| family.has(Measure::Gap));
    let mut head: Vec<&str> = Vec::new();
    head.extend(titled.then_some("series"));
    head.extend([dose.head(), "component", "prompts", "domains", "rate", "margin, nats"]);
    head.extend(gaps.then_some("gap, nats"));
    head.extend(["behind it", "interval"]);
    let mut rows = Vec::new();
    for series in series {
        for &(position, arm) in &series.arms {
            for split in families.iter().flat_map(|family| &family.splits) {
                let Some(margin) = value(arm, split, Measure::Margin) else { continue };
                let written =
                    |measure| value(arm, split, measure).map_or_else(|| "–".to_owned(), |estimate| write(&estimate));
                let mut row = Vec::new();
                row.extend(titled.then(|| series.title.clone()));
                row.extend([
                    dose.value(position),
                    split.component.to_string(),
                    split.prompts.to_string(),
                    split.domains.to_string(),
                ]);
                row.extend([written(Measure::Rate), write(&margin)]);
                row.extend(gaps.then(|| written(Measure::Gap)));
                row.extend([format::counts(&margin), margin.method.to_string()]);
                rows.push(row);
            }
        }
    }
    let head = head.into_iter().map(str::to_owned).collect();
    Table { caption, text_columns: 4 + usize::from(titled), head, rows }
}
