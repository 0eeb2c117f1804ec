//! Effect against control, see [`SweepResults::effect`].

use super::gallery::{Shown, difference_axis, dose_lines, dose_scale, drawings, rows, table};
use crate::{
    report::{
        family::SplitFamily,
        figure::{Figure, Scale},
        format,
        series::{Dose, Series},
        view::Gallery,
    },
    results::{At, Measure, Split, SweepResults},
};

/// Margins first: near 0 and 1 a rate hides what happens.
const SHOWN: [Shown; 3] = [Shown::As(Measure::Margin), Shown::As(Measure::Gap), Shown::As(Measure::Rate)];

/// Rows of one panel for each component, one row for each series; `None` where no arm has a control.
pub(crate) fn components(
    results: &SweepResults,
    dose: &Dose,
    series: &[Series],
    families: &[&SplitFamily],
) -> Option<Gallery> {
    if results.arms.iter().all(|arm| arm.control.is_none()) {
        return None;
    }
    let value = |arm: usize, split: &Split, measure| results.effect(arm, split, measure, At::End);
    let figure = |series: &Series, family: &SplitFamily, shown: Shown| Figure {
        title: format!("{}: difference from the control by {}, {}", family.title, dose.label, series.title),
        x: dose_scale(dose),
        x_label: dose.axis_label(),
        y: Scale::unit(),
        y_label: format!("{}, less the control's", shown.choice().label),
        lines: dose_lines(dose, series, &family.splits, shown.measure(), &value),
        level: None,
    };
    let panels = drawings(series, families, &SHOWN, difference_axis, figure);
    let caption = "Arm less control on the same seeds and items, after training: mean and 95 % interval. \
                   Source: probes.parquet of both runs, their last step.";
    Some(Gallery::new(
        "effect",
        SHOWN.map(Shown::choice).into(),
        rows(series, families, panels, |family| family.title.to_owned()),
        table(caption.to_owned(), dose, series, families, &value, format::difference),
        "no seed has finished both an arm's run and its control's",
    ))
}
