//! Surprise of every cell, before and after training.

use titer_data::cell::Cell;

use crate::{
    report::{
        format,
        series::{Dose, Series},
        view::{HeatCell, HeatGroup, HeatRow, HeatTable},
    },
    results::{ArmResults, At, SweepResults},
    stats::Estimate,
};

/// The table; `None` where no run has measured a cell.
pub(crate) fn table(results: &SweepResults, dose: &Dose, series: &[Series]) -> Option<HeatTable> {
    let cells = results.cells();
    if cells.is_empty() {
        return None;
    }
    let before: Vec<_> = cells.iter().map(|cell| results.untrained().surprise(*cell, At::Start).estimate()).collect();
    let after = |arm: &ArmResults| -> Vec<_> {
        cells.iter().map(|cell| arm.finished().surprise(*cell, At::End).estimate()).collect()
    };
    let mut groups = vec![(String::new(), vec![("before training".to_owned(), before)])];
    let in_series = |arm: usize| series.iter().any(|series| series.arms.iter().any(|(_, member)| *member == arm));
    for (index, arm) in
        results.arms.iter().enumerate().filter(|(index, arm)| !in_series(*index) && !arm.runs.is_empty())
    {
        let is_control = results.arms.iter().any(|other| other.control == Some(index));
        let name = if is_control { format!("control: {}", arm.name) } else { arm.name.clone() };
        groups[0].1.push((name, after(arm)));
    }
    for series in series {
        let measured = series.arms.iter().filter(|(_, arm)| !results.arms[*arm].runs.is_empty());
        let rows = measured.map(|&(position, arm)| (dose.value(position), after(&results.arms[arm])));
        groups.push((series.title.clone(), rows.collect()));
    }
    let estimates = || groups.iter().flat_map(|(_, rows)| rows.iter().flat_map(|(_, row)| row.iter().flatten()));
    let most = estimates().map(|estimate| estimate.mean).fold(0.0, f64::max);
    let caption = format!(
        "Nats per reply, mean with 95 % interval below; behind each number {}. \
         The stronger the colour, the larger the surprise. Source: cells.parquet of each run, its first and its last step.",
        format::behind(estimates())
    );
    let head = std::iter::once(dose.head().to_owned()).chain(cells.iter().map(Cell::to_string)).collect();
    let row = |(label, row): (String, Vec<Option<Estimate>>)| HeatRow {
        label,
        cells: row.into_iter().map(|estimate| cell(estimate, most)).collect(),
    };
    let groups = groups
        .into_iter()
        .map(|(title, rows)| HeatGroup { title, rows: rows.into_iter().map(row).collect() })
        .collect();
    Some(HeatTable { caption, head, groups })
}

fn cell(estimate: Option<Estimate>, most: f64) -> HeatCell {
    let Some(estimate) = estimate else {
        return HeatCell { mean: "–".to_owned(), ..HeatCell::default() };
    };
    // The square root keeps small surprises apart, which is where trained and untrained rows differ.
    let heat = (100.0 * (estimate.mean.max(0.0) / most.max(1e-9)).sqrt()).round().clamp(0.0, 100.0);
    let interval = if estimate.has_interval() {
        format!("{} – {}", format::two(estimate.low), format::two(estimate.high))
    } else {
        String::new()
    };
    HeatCell { mean: format::two(estimate.mean), interval, heat: heat as u8 }
}
