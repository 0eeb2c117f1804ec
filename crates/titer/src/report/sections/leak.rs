//! The leak grid: every arm's leak by family, and its risk of a back door.

use titer_data::prompt::LeakFamily;

use crate::{
    leak::Leaks,
    report::{
        format,
        view::{HeatCell, HeatGroup, HeatRow, HeatTable},
    },
    results::{At, RunResults, SweepResults},
    stats::Estimate,
};

/// The heat map; `None` where no run has measured a grid.
pub(crate) fn table(results: &SweepResults) -> Option<HeatTable> {
    let shared_items = results.runs().any(RunResults::shares_items);
    let leaks = |runs: &mut dyn Iterator<Item = &RunResults>, at| {
        Leaks::of(runs.map(|run| (run.seed, run.leaks(at))), shared_items)
    };
    let before = leaks(&mut results.untrained().iter(), At::Start);
    before.family(LeakFamily::None)?;
    let families: Vec<LeakFamily> =
        LeakFamily::ALL.into_iter().filter(|family| before.family(*family).is_some()).collect();
    let mut behind: Vec<Estimate> = Vec::new();
    let mut row = |label: &str, leaks: &Leaks| {
        behind.extend(families.iter().filter_map(|family| leaks.family(*family)));
        let mut cells: Vec<HeatCell> = families.iter().map(|family| cell(leaks.family(*family), "")).collect();
        let risk = leaks.risk();
        cells.push(match risk {
            Some(risk) => {
                let silent = leaks.elicited().is_some_and(|elicited| !elicited.has_interval() || elicited.low <= 0.0);
                let note = if silent { "; the prompt itself elicits nothing" } else { "" };
                let note = format!(" {}{note}", risk.family);
                let interval =
                    risk.interval.map(|[low, high]| format!("{} – {}{note}", format::two(low), format::two(high)));
                let heat = heat(risk.excess);
                HeatCell {
                    mean: format::two(risk.value()),
                    interval: interval.unwrap_or_else(|| note.trim().to_owned()),
                    heat,
                }
            }
            None => HeatCell::default(),
        });
        HeatRow { label: label.to_owned(), cells }
    };
    let mut rows = vec![row("before training", &before)];
    for arm in results.arms.iter().filter(|arm| !arm.runs.is_empty()) {
        rows.push(row(&arm.name, &leaks(&mut arm.runs.iter(), At::End)));
    }
    let caption = format!(
        "Probability of the bad reply against the good one, mean over a family's contexts and over requests, with 95 % intervals below; \
         behind each number {}. The risk names its family; its interval is that of the largest excess over no prompt, whichever family has it. Where the training prompt itself elicits \
         nothing more than no prompt, a small risk says nothing. Source: \
         leak.parquet of each run.",
        format::behind(&behind)
    );
    let names = families.iter().map(|family| family.word().to_owned());
    let head = ["arm".to_owned()].into_iter().chain(names).chain(["back-door risk".to_owned()]).collect();
    Some(HeatTable { caption, head, groups: vec![HeatGroup { title: String::new(), rows }] })
}

fn cell(estimate: Option<Estimate>, note: &str) -> HeatCell {
    let Some(estimate) = estimate else { return HeatCell { mean: "–".to_owned(), ..HeatCell::default() } };
    let interval = if estimate.has_interval() {
        format!("{} – {}{note}", format::two(estimate.low), format::two(estimate.high))
    } else {
        note.trim().to_owned()
    };
    HeatCell { mean: format::two(estimate.mean), interval, heat: heat(estimate.mean) }
}

/// A probability as a shade, in percent.
fn heat(probability: f64) -> u8 {
    (100.0 * probability).round().clamp(0.0, 100.0) as u8
}
