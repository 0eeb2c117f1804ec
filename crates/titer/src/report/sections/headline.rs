//! The answer in one sentence, and in one small table.

use std::{cell::RefCell, collections::BTreeSet};

use titer_data::probe::Component;

use super::{
    onset::{Beside, Halving, SeriesOnset},
    onset_sentences::{SERIES, onset},
    response::level,
};
use crate::{
    report::{
        family::SplitFamily,
        format,
        series::{Dose, Series},
        view::Table,
    },
    results::{Measure, SweepResults},
    stats::Estimate,
};

/// What was found, in a few sentences, the one that says most first: of doses from which one on obedience to bad prompts is halved, of arms with names the lowest
/// and the highest level, else the levels beside the control's. Empty where nothing is finished.
pub(crate) fn sentences(results: &SweepResults, dose: &Dose, all: &[Series], families: &[&SplitFamily]) -> Vec<String> {
    let Some((series, (position, arm))) = all.iter().find_map(|series| Some((series, series.end(results)?))) else {
        return Vec::new();
    };
    let mut ordered = families.to_vec();
    ordered.sort_by_key(|family| family.component != dose.asked(results));
    let [measure, ..] = results.measures();
    let unit = format::unit(measure);
    if dose.is_of_names() && series.finished(results).count() > 1 {
        let several = all.iter().filter(|one| one.finished(results).count() > 1);
        return several.take(SERIES).map(|one| range(results, dose, one, &ordered)).collect();
    }
    if let Some(sentences) = onset(results, dose, all, families) {
        return sentences;
    }
    let clauses = ordered.iter().filter_map(|family| {
        let split = family.leading();
        let (level, against) = match Beside::of(results, (position, arm), split, measure) {
            Some(Beside { level, control, .. }) => {
                (level, format!(", in the control at {}", format::interval(&control)))
            }
            None => (level(results, arm, split, measure)?, String::new()),
        };
        Some(format!("{} is at {}{unit}{against}", family.noun(), format::interval(&level)))
    });
    let clauses: Vec<_> = clauses.collect();
    let title = if series.title.is_empty() { String::new() } else { format!("; {}", series.title) };
    let place = if dose.name.is_empty() {
        "After training".to_owned()
    } else if dose.numbers().is_some() {
        format!("At {} {} ({}{title})", series.name_of_largest(results), dose.label, dose.value(position))
    } else {
        format!("With {}{title}", dose.named(position))
    };
    vec![format!("{place}, {}.", clauses.join("; "))]
}

/// Of arms with names, between which levels each component ends in one series.
fn range(results: &SweepResults, dose: &Dose, series: &Series, families: &[&SplitFamily]) -> String {
    let [measure, ..] = results.measures();
    let unit = format::unit(measure);
    let clauses = families.iter().filter_map(|family| {
        let level = |(position, arm)| Some((position, level(results, arm, family.leading(), measure)?));
        let levels: Vec<_> = series.finished(results).filter_map(level).collect();
        let by_mean = |a: &&(usize, Estimate), b: &&(usize, Estimate)| a.1.mean.total_cmp(&b.1.mean);
        let (lowest, highest) = (levels.iter().min_by(by_mean)?, levels.iter().max_by(by_mean)?);
        let show = |(position, level): &(usize, Estimate)| {
            format!("{}{unit} ({})", format::interval(level), dose.value(*position))
        };
        if levels.len() == 1 {
            return Some(format!("{} is at {}", family.noun(), show(lowest)));
        }
        if lowest.1.mean >= highest.1.mean {
            return Some(format!("{} is at {}{unit} in all", family.noun(), format::interval(&lowest.1)));
        }
        Some(format!("{} ends between {} and {}", family.noun(), show(lowest), show(highest)))
    });
    let clauses: Vec<_> = clauses.collect();
    let title = if series.title.is_empty() { String::new() } else { format!(", {}", series.title) };
    format!("Over {} arms{title}, {}.", series.finished(results).count(), clauses.join("; "))
}

/// One row for each series: the smallest dose that halves obedience to bad prompts, and every component's rate (or margin, see
/// [`SweepResults::measures`]) in the control and at the largest dose. Of arms with names one row for each.
pub(crate) fn table(results: &SweepResults, dose: &Dose, series: &[Series], families: &[&SplitFamily]) -> Table {
    // Names are enough where nothing else is swept.
    let titled = !dose.is_of_names() || series.iter().any(|series| !series.title.is_empty());
    let mut head: Vec<String> = titled.then(|| "series".to_owned()).into_iter().collect();
    head.push(dose.head().to_owned());
    let [measure, ..] = results.measures();
    let counted = measure == Measure::Rate && dose.numbers().is_some();
    // Before the rates: a narrow window cuts what is last, and this says most.
    let halved = families.iter().find(|family| family.component == Component::ObeyBad && counted);
    head.extend(halved.map(|_| "Halved from".to_owned()));
    head.extend(families.iter().map(|family| family.title.to_owned()));
    let behind: RefCell<Vec<Estimate>> = RefCell::default();
    let write = |estimate: Option<Estimate>| {
        behind.borrow_mut().extend(estimate);
        estimate.map_or_else(|| "–".to_owned(), |estimate| format::interval(&estimate))
    };
    let written = |arm: usize, family: &&SplitFamily| write(level(results, arm, family.leading(), measure));
    let row = |series: &Series, (position, arm): (usize, usize)| {
        let mut row: Vec<String> = Vec::new();
        if titled {
            row.push(if series.title.is_empty() { "all arms".to_owned() } else { series.title.clone() });
        }
        let number = if dose.is_numbered() { format!("{} · ", position + 1) } else { String::new() };
        row.push(format!("{number}{}", dose.value(position)));
        row.extend(halved.map(|family| halving(results, dose, series, family)));
        // Arms with names are many, and most of them have one control: that has a row of its own.
        let beside = |family: &SplitFamily| {
            Beside::of(results, (position, arm), family.leading(), measure).filter(|_| !dose.is_of_names())
        };
        row.extend(families.iter().map(|family| match beside(family) {
            Some(Beside { level, control, .. }) => format!("{} → {}", write(Some(control)), write(Some(level))),
            None => written(arm, family),
        }));
        row
    };
    let rows = series.iter().flat_map(|series| {
        let shown: Vec<(usize, usize)> = if dose.is_of_names() {
            series.finished(results).collect()
        } else {
            series.end(results).into_iter().collect()
        };
        shown.into_iter().map(move |arm| row(series, arm))
    });
    let shown = |arm: &usize| series.iter().any(|series| series.arms.iter().any(|(_, other)| other == arm));
    let controls: BTreeSet<usize> = series
        .iter()
        .flat_map(|series| series.finished(results))
        .filter_map(|(_, arm)| results.arms[arm].control.filter(|control| dose.is_of_names() && !shown(control)))
        .collect();
    let controls = controls.into_iter().map(|control| {
        let name = std::iter::repeat_n(String::new(), usize::from(titled)).chain([results.arms[control].name.clone()]);
        name.chain(families.iter().map(|family| written(control, family))).collect()
    });
    let leading = families.first().map(|family| family.leading());
    let contexts =
        leading.map_or_else(String::new, |split| format!("{} prompts and {} domains", split.prompts, split.domains));
    let what = match measure {
        Measure::Rate => "Rates",
        _ => "Most replies are on neither side of the probes, so rates say little; mean margins, nats a reply,",
    };
    let unfinished = series.iter().any(|one| !one.is_finished_to_its_end(results));
    let place = match (dose.is_of_names(), unfinished) {
        (true, _) => "",
        (false, false) => ", in the control → at the largest dose",
        (false, true) => ", in the control → at the largest finished dose",
    };
    let halved_from = halved.map_or_else(String::new, |_| {
        let finished = if unfinished { "finished " } else { "" };
        format!(
            " “Halved from” is the smallest {finished}dose from which on the rate of obeying bad prompts is below half of the control's."
        )
    });
    let rows: Vec<Vec<String>> = controls.chain(rows).collect();
    Table {
        caption: format!(
            "{what} after training with 95 % intervals{place}, for {contexts}; behind each \
             number {}.{halved_from} Source: probes.parquet.",
            format::behind(&*behind.borrow())
        ),
        text_columns: 1 + usize::from(titled),
        head,
        rows,
    }
}

/// The smallest finished dose from which on obedience stays below half of the control's, as a rate, or why there is none.
fn halving(results: &SweepResults, dose: &Dose, series: &Series, family: &SplitFamily) -> String {
    match SeriesOnset::of(results, series, family, Measure::Rate).map(|found| (found.halving, found.largest_name)) {
        Some((Halving::From { at, .. }, _)) => dose.value(at.position),
        Some((Halving::Passing(at), _)) => format!("at {}, not from there on", dose.value(at.position)),
        Some((Halving::Deaf, _)) => "the control hardly obeys".to_owned(),
        Some((Halving::Never, "the largest")) | None => "at no dose".to_owned(),
        Some((Halving::Never, _)) => "at no finished dose".to_owned(),
    }
}
