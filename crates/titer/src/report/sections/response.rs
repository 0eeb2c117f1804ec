//! Dose–response: every component after training, over the dose, beside the control.

use super::gallery::{dose_lines, dose_scale, drawings, level_axis, rows, table};
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

/// One row with a panel for each series: bad prompts that are targeted at a domain or at a trigger.
pub(crate) fn targeted(results: &SweepResults, dose: &Dose, series: &[Series], family: &SplitFamily) -> Gallery {
    let drawn = panels(results, dose, series, &[family]).into_iter().flatten();
    let panel = |(series, drawings): (&Series, Vec<Drawing>)| {
        let title = if series.title.is_empty() { family.title } else { &series.title };
        Panel { title: title.to_owned(), word: String::new(), drawings }
    };
    let rows = vec![GalleryRow { title: String::new(), panels: series.iter().zip(drawn).map(panel).collect() }];
    gallery("targeted", results, dose, series, &[family], rows)
}

fn panels(results: &SweepResults, dose: &Dose, series: &[Series], families: &[&SplitFamily]) -> Vec<Vec<Vec<Drawing>>> {
    drawings(series, families, &results.measures(), level_axis, |series, family, measure| {
        figure(results, dose, series, family, measure)
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
    Gallery {
        id,
        choices: results.measures().map(Measure::choice).into(),
        rows,
        table: table(caption.to_owned(), dose, series, families, &value, format::interval),
    }
}

fn figure(results: &SweepResults, dose: &Dose, series: &Series, family: &SplitFamily, measure: Measure) -> Figure {
    let control = series.control.and_then(|control| level(results, control, family.leading(), measure));
    Figure {
        title: format!(
            "{}: {} after training by {}, {}",
            family.title,
            measure.choice().label,
            dose.label,
            series.title
        ),
        x: dose_scale(dose),
        x_label: dose.axis_label(),
        y: Scale::unit(),
        lines: dose_lines(dose, series, &family.splits, measure, &|arm, split, measure| {
            level(results, arm, split, measure)
        }),
        level: control.map(|control| (format!("control, {}", family.leading().label()), control)),
    }
}
