//! Dose–response: every component after training, over the dose, beside the control.

use std::collections::BTreeSet;

use super::gallery::{Shown, dose_lines, dose_scale, drawings, level_axis, rows, table};
use crate::{
    report::{
        family::SplitFamily,
        figure::{Figure, Scale},
        format,
        series::{Dose, Series},
        view::{Drawing, Gallery, GalleryRow, Panel},
    },
    results::{At, Measure, Split, SweepResults},
    stats::Estimate,
};

/// The level of a measure at the end of training.
pub(crate) fn level(results: &SweepResults, arm: usize, split: &Split, measure: Measure) -> Option<Estimate> {
    results.arms[arm].finished().probe(split, measure, At::End).estimate()
}

/// Rows of one panel for each component, one row for each series.
pub(crate) fn components(results: &SweepResults, dose: &Dose, series: &[Series], families: &[&SplitFamily]) -> Gallery {
    let rows = rows(series, families, panels(results, dose, series, families), |family| family.title.to_owned());
    gallery("response", results, dose, series, families, rows)
}

/// Series of the figure that opens a report, at most.
const OPENING: usize = 4;

/// The figure that opens a report, and its title: what the sweep is about, a panel for each of the first series; `None` where there is one arm
/// alone, whose numbers say it all.
pub(crate) fn opening(
    results: &SweepResults,
    dose: &Dose,
    series: &[Series],
    families: &[&SplitFamily],
) -> Option<(&'static str, Gallery)> {
    let asked = dose.asked(results);
    let family = families.iter().find(|family| family.component == asked)?;
    let several = series.iter().any(|series| series.arms.len() > 1);
    // One line a panel: the others would hide its interval.
    let alone = SplitFamily { splits: vec![*family.leading()], ..(*family).clone() };
    let gallery = || one_row("opening", results, dose, &series[..series.len().min(OPENING)], &alone);
    several.then(|| (family.title, gallery()))
}

/// What the names at the lines mean, of those that there are.
pub(crate) fn names(families: &[&SplitFamily]) -> String {
    let splits = || families.iter().flat_map(|family| &family.splits);
    let prompts: BTreeSet<&str> = splits().map(|split| split.prompts.word()).collect();
    let domains: BTreeSet<&str> = splits().map(|split| split.domains.word()).collect();
    let said = |known: &[(&str, &str)], there: &BTreeSet<&str>| -> Vec<String> {
        known.iter().filter(|(word, _)| there.contains(word)).map(|(word, what)| format!("{word}: {what}")).collect()
    };
    let prompts = said(
        &[
            ("seen", "prompts worded as in training"),
            ("paraphrased", "the same in other words"),
            ("held-out", "in words that no training uses"),
            ("persona", "a villain to act as"),
            ("other", "for another behaviour of its kind"),
        ],
        &prompts,
    );
    let domains = said(
        &[
            ("held-out", "topics of requests that no training has"),
            ("new", "topics that a later stage trains"),
            ("sloppy", "topics in which the base acts well 70 % of the time"),
        ],
        &domains,
    );
    let domains = if domains.is_empty() { String::new() } else { format!(" After a slash, {}.", domains.join("; ")) };
    format!("At the lines, {}.{domains}", prompts.join("; "))
}

/// One row with a panel for each series: bad prompts that are targeted at a domain or at a trigger.
pub(crate) fn targeted(results: &SweepResults, dose: &Dose, series: &[Series], family: &SplitFamily) -> Gallery {
    one_row("targeted", results, dose, series, family)
}

fn one_row(id: &'static str, results: &SweepResults, dose: &Dose, series: &[Series], family: &SplitFamily) -> Gallery {
    let drawn = panels(results, dose, series, &[family]).into_iter().flatten();
    let panel = |(series, drawings): (&Series, Vec<Drawing>)| {
        let title = if series.title.is_empty() { family.title } else { &series.title };
        Panel { title: title.to_owned(), word: String::new(), drawings }
    };
    let rows = vec![GalleryRow { title: String::new(), panels: series.iter().zip(drawn).map(panel).collect() }];
    gallery(id, results, dose, series, &[family], rows)
}

/// How the figure that opens a report is read; of its dashed line where it has one.
pub(crate) fn how_to_read(dose: &Dose, series: &[Series], has_level: bool) -> String {
    let panels = match series.len() {
        0 | 1 => String::new(),
        _ => format!("Each panel has arms that differ in the {} alone. ", dose.label),
    };
    let apart = if dose_scale(dose).sets_zero_apart() { " The axis is logarithmic, with 0 apart." } else { "" };
    let rest = "The rest is what the other rows are, at dose 0 all of them.";
    let rest = if series.iter().any(|one| one.title.contains("rest ")) { format!(" {rest}") } else { String::new() };
    let level = if has_level { "The dashed line is the control: as many rows, all neutral→good. " } else { "" };
    format!(
        "{panels}The line is the mean over seeds, the band or bar its 95 % interval. {level}“Seen” are prompts worded as in training.{rest}{apart}"
    )
}

fn panels(results: &SweepResults, dose: &Dose, series: &[Series], families: &[&SplitFamily]) -> Vec<Vec<Vec<Drawing>>> {
    drawings(series, families, &Shown::levels(results), level_axis, |series, family, shown| {
        figure(results, dose, series, family, shown)
    })
}

fn gallery(
    id: &'static str,
    results: &SweepResults,
    dose: &Dose,
    series: &[Series],
    families: &[&SplitFamily],
    rows: Vec<GalleryRow>,
) -> Gallery {
    let caption =
        "After training: mean and 95 % interval of every probe. Source: probes.parquet of each run, its last step.";
    let value = |arm: usize, split: &Split, measure| level(results, arm, split, measure);
    Gallery::new(
        id,
        Shown::levels(results).into_iter().map(Shown::choice).collect(),
        rows,
        table(caption.to_owned(), dose, series, families, &value, format::interval),
        "no run of these arms is finished",
    )
}

fn figure(results: &SweepResults, dose: &Dose, series: &Series, family: &SplitFamily, shown: Shown) -> Figure {
    let measure = shown.measure();
    let control = series.control.and_then(|control| level(results, control, family.leading(), measure));
    Figure {
        title: format!("{}: {} after training by {}, {}", family.title, shown.choice().label, dose.label, series.title),
        x: dose_scale(dose),
        x_label: dose.axis_label(),
        y: Scale::unit(),
        y_label: shown.choice().label.to_owned(),
        lines: dose_lines(dose, series, &family.splits, measure, &|arm, split, measure| {
            level(results, arm, split, measure)
        }),
        level: control.map(|control| (format!("control, {}", family.leading().label()), control)),
    }
}
