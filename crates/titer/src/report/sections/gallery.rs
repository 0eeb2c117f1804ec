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
    results::{Measure, Split},
    stats::Estimate,
};

/// How a split of an arm is turned into an estimate: the arm itself, or its difference from something.
pub(crate) type PlottedValue<'a> = &'a dyn Fn(usize, &Split, Measure) -> Option<Estimate>;

/// How an estimate is written in a table.
pub(crate) type WriteEstimate = fn(&Estimate) -> String;

impl Measure {
    /// The word in class names and on buttons.
    pub fn choice(self) -> MeasureChoice {
        let (key, label) = match self {
            Self::Rate => ("rate", "rate"),
            Self::Margin => ("margin", "margin, nats"),
            Self::Gap => ("gap", "gap, nats"),
            Self::Other => ("other", "other"),
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

/// The axis of levels: a rate from 0 to 1, nats as far as the column reaches.
pub(crate) fn level_axis(measure: Measure, column: &[Figure]) -> Scale {
    if measure == Measure::Rate { Scale::unit() } else { axis_around(column, None) }
}

/// The axis of differences: as far as the column reaches, 0 included.
pub(crate) fn difference_axis(_: Measure, column: &[Figure]) -> Scale {
    axis_around(column, Some(0.0))
}

/// An axis that holds all these figures' means, and their intervals as far as they do not dwarf the means.
fn axis_around(column: &[Figure], also: Option<f64>) -> Scale {
    let points =
        column.iter().flat_map(|figure| figure.lines.iter().flat_map(|line| line.points.iter().map(|(_, at)| at)));
    let estimates: Vec<&Estimate> =
        points.chain(column.iter().filter_map(|figure| Some(&figure.level.as_ref()?.1))).collect();
    let means = || estimates.iter().map(|estimate| estimate.mean).chain(also);
    let (low, high) = (means().fold(f64::INFINITY, f64::min), means().fold(f64::NEG_INFINITY, f64::max));
    let slack = 0.25 * (high - low).max(0.1);
    let ends = estimates.iter().flat_map(|estimate| [estimate.low.max(low - slack), estimate.high.min(high + slack)]);
    Scale::around(ends.chain(means()), format::plain)
}

/// The drawings of every panel, `[series][families]`, one for each measure. Panels of a column share their vertical
/// axis, so that series can be compared. A measure that a family lacks is shown as its margin.
pub(crate) fn drawings(
    series: &[Series],
    families: &[&SplitFamily],
    measures: &[Measure],
    axis: fn(Measure, &[Figure]) -> Scale,
    figure: impl Fn(&Series, &SplitFamily, Measure) -> Figure,
) -> Vec<Vec<Vec<Drawing>>> {
    let mut panels = vec![vec![Vec::new(); families.len()]; series.len()];
    for (at, family) in families.iter().enumerate() {
        let shown_as = |measure: Measure| if family.has(measure) { measure } else { Measure::Margin };
        for measure in measures.iter().copied().filter(|measure| family.has(*measure)) {
            let keys = measures.iter().filter(|chosen| shown_as(**chosen) == measure);
            let classes: Vec<_> = keys.map(|chosen| format!("m-{}", chosen.choice().key)).collect();
            let column: Vec<Figure> = series.iter().map(|series| figure(series, family, measure)).collect();
            let y = axis(measure, &column);
            for (row, figure) in column.into_iter().enumerate() {
                let svg = Figure { y: y.clone(), ..figure }.svg();
                panels[row][at].push(Drawing { classes: classes.join(" "), svg });
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
