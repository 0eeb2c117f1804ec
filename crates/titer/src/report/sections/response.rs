//! Dose–response: every component after training, over the dose, beside the control.

use super::gallery::{MEASURES, dose_lines, dose_scale, drawings, shared_scale, table};
use crate::{
    report::{
        data::{At, Data, Measure, Split},
        family::Family,
        figure::{Figure, Scale},
        format,
        series::{Dose, Series},
        view::{Gallery, GalleryRow, Panel},
    },
    stats::Estimate,
};

/// The level of a measure at the end of training.
pub fn level(data: &Data, arm: usize, split: &Split, measure: Measure) -> Option<Estimate> {
    data.arms[arm].finished().probe(split, measure, At::End).estimate().map(|estimate| format::bounded(measure, estimate))
}

/// Rows of one panel for each component, one row for each series.
pub fn components(data: &Data, dose: &Dose, series: &[Series], families: &[&Family]) -> Gallery {
    let row = |one: &Series| GalleryRow {
        title: one.title.clone(),
        panels: families
            .iter()
            .map(|family| panel(data, dose, series, one, family, family.title.clone(), family.component.clone()))
            .collect(),
    };
    gallery("response", data, dose, series, families, series.iter().map(row).collect())
}

/// One row with a panel for each series: bad prompts that are targeted at a domain or at a trigger.
pub fn targeted(data: &Data, dose: &Dose, series: &[Series], family: &Family) -> Gallery {
    let panels = series.iter().map(|one| {
        let title = if one.title.is_empty() { family.title.clone() } else { one.title.clone() };
        panel(data, dose, series, one, family, title, String::new())
    });
    let rows = vec![GalleryRow { title: String::new(), panels: panels.collect() }];
    gallery("targeted", data, dose, series, &[family], rows)
}

fn gallery(
    id: &'static str,
    data: &Data,
    dose: &Dose,
    series: &[Series],
    families: &[&Family],
    rows: Vec<GalleryRow>,
) -> Gallery {
    let caption = "After training: mean and 95 % interval of every probe. Source: probes.parquet of each run, its last step.";
    let value = |arm: usize, split: &Split, measure| level(data, arm, split, measure);
    Gallery {
        id,
        choices: MEASURES.map(Measure::choice).into(),
        rows,
        table: table(caption.to_owned(), dose, series, families, &value, format::interval),
    }
}

fn panel(
    data: &Data,
    dose: &Dose,
    series: &[Series],
    one: &Series,
    family: &Family,
    title: String,
    word: String,
) -> Panel {
    let draw = |measure: Measure| {
        let mut figure = figure(data, dose, one, family, measure);
        if measure != Measure::Rate {
            // All series share the axis, so that panels can be compared.
            let all: Vec<Figure> = series.iter().map(|other| self::figure(data, dose, other, family, measure)).collect();
            figure.y = shared_scale(all.iter(), None);
        }
        figure
    };
    Panel { title, word, drawings: drawings(family, &MEASURES, draw) }
}

fn figure(data: &Data, dose: &Dose, one: &Series, family: &Family, measure: Measure) -> Figure {
    let control = one.control.and_then(|control| level(data, control, family.leading(), measure));
    Figure {
        title: format!("{}: {} after training by {}, {}", family.title, measure.choice().label, dose.label, one.title),
        x: dose_scale(dose),
        x_label: dose.label.clone(),
        y: Scale::unit(),
        lines: dose_lines(dose, one, &family.splits, measure, &|arm, split, measure| level(data, arm, split, measure)),
        level: control.map(|control| (format!("control, {}", family.leading().label()), control)),
    }
}
