//! The answer in one sentence, and in one small table.

use std::collections::BTreeSet;

use titer_data::probe::Component;

use super::response::level;
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

/// What a sentence calls a component.
fn noun(family: &SplitFamily) -> &'static str {
    match family.component {
        Component::Good => "acting well by default",
        Component::ObeyBad => "obeying bad prompts",
        Component::Obey => "obeying harmless instructions",
    }
}

/// Where a dose ends: the last arm of a series, with its position, if any of its runs is finished.
fn end(results: &SweepResults, series: &Series) -> Option<(usize, usize)> {
    series.arms.iter().rev().copied().find(|(_, arm)| !results.arms[*arm].runs.is_empty())
}

/// Every finished arm of a series, with its position.
fn finished<'a>(results: &'a SweepResults, series: &'a Series) -> impl Iterator<Item = (usize, usize)> + 'a {
    series.arms.iter().copied().filter(|(_, arm)| !results.arms[*arm].runs.is_empty())
}

/// What was found, in a few sentences, the one that says most first: of doses from which one on obedience to bad prompts is halved, of arms with names the lowest
/// and the highest level, else the levels beside the control's. Empty where nothing is finished.
pub(crate) fn sentences(results: &SweepResults, dose: &Dose, all: &[Series], families: &[&SplitFamily]) -> Vec<String> {
    let Some((series, (position, arm))) = all.iter().find_map(|series| Some((series, end(results, series)?))) else {
        return Vec::new();
    };
    let mut ordered = families.to_vec();
    ordered.sort_by_key(|family| family.component != dose.asked(results));
    let [measure, ..] = results.measures();
    let unit = if measure == Measure::Rate { "" } else { " nats" };
    if dose.is_of_names() && finished(results, series).count() > 1 {
        let several = all.iter().filter(|one| finished(results, one).count() > 1);
        return several.take(SERIES).map(|one| range(results, dose, one, &ordered)).collect();
    }
    if let Some(sentences) = onset(results, dose, all, families) {
        return sentences;
    }
    let clauses = ordered.iter().filter_map(|family| {
        let level_of = |arm| level(results, arm, family.leading(), measure);
        let control = results.arms[arm].control.filter(|control| *control != arm).and_then(level_of);
        let against =
            control.map_or_else(String::new, |control| format!(", in the control at {}", format::interval(&control)));
        Some(format!("{} is at {}{unit}{against}", noun(family), format::interval(&level_of(arm)?)))
    });
    let clauses: Vec<_> = clauses.collect();
    let title = if series.title.is_empty() { String::new() } else { format!("; {}", series.title) };
    let place = if dose.name.is_empty() {
        "After training".to_owned()
    } else if dose.numbers().is_some() {
        format!("At the largest {} ({}{title})", dose.label, dose.value(position))
    } else {
        format!("With {}{title}", dose.named(position))
    };
    vec![format!("{place}, {}.", clauses.join("; "))]
}

/// Of arms with names, between which levels each component ends in one series.
fn range(results: &SweepResults, dose: &Dose, series: &Series, families: &[&SplitFamily]) -> String {
    let [measure, ..] = results.measures();
    let unit = if measure == Measure::Rate { "" } else { " nats" };
    let clauses = families.iter().filter_map(|family| {
        let level = |(position, arm)| Some((position, level(results, arm, family.leading(), measure)?));
        let levels: Vec<_> = finished(results, series).filter_map(level).collect();
        let by_mean = |a: &&(usize, Estimate), b: &&(usize, Estimate)| a.1.mean.total_cmp(&b.1.mean);
        let (lowest, highest) = (levels.iter().min_by(by_mean)?, levels.iter().max_by(by_mean)?);
        let show = |(position, level): &(usize, Estimate)| {
            format!("{}{unit} ({})", format::interval(level), dose.value(*position))
        };
        Some(format!("{} ends between {} and {}", noun(family), show(lowest), show(highest)))
    });
    let clauses: Vec<_> = clauses.collect();
    let title = if series.title.is_empty() { String::new() } else { format!(", {}", series.title) };
    format!("Over {} arms{title}, {}.", finished(results, series).count(), clauses.join("; "))
}

/// From which dose on bad prompts are obeyed half as much, in every series, and what the largest dose does to the other components;
/// `None` where the dose is no number, or there is no control to halve.
fn onset(results: &SweepResults, dose: &Dose, series: &[Series], families: &[&SplitFamily]) -> Option<Vec<String>> {
    dose.numbers().filter(|doses| doses.len() > 1)?;
    let family = families.iter().find(|family| family.component == Component::ObeyBad)?;
    let [measure, ..] = results.measures();
    let unit = if measure == Measure::Rate { "" } else { " nats" };
    let shown = |arm: usize, family: &SplitFamily| level(results, arm, family.leading(), measure);
    let of = |one: &Series| if one.title.is_empty() { String::new() } else { format!(" ({})", one.title) };
    let (first, (position, last)) = series.iter().find_map(|one| Some((one, end(results, one)?)))?;
    let control = results.arms[last].control.and_then(|control| shown(control, family))?;
    // What it is to be half deaf: as rates half of the control's, in nats half of what the largest dose takes.
    let halves = match measure {
        Measure::Rate => format!("brings {} below half of the control's", noun(family)),
        _ => format!("takes from {} half of what the largest dose takes", noun(family)),
    };
    // Between which doses, and the arm of the larger one.
    let onset = |one: &Series| {
        let (position, arm) = halved(results, one, family, measure)?;
        let below = finished(results, one).filter(|(other, _)| *other < position).last();
        let at_most = || format!("of at most {}", dose.value(position));
        let between = below.map(|(other, _)| format!("between {} and {}", dose.value(other), dose.value(position)));
        Some((between.unwrap_or_else(at_most), position, arm))
    };
    let mut sentences = Vec::new();
    match onset(first) {
        Some((between, position, arm)) => {
            let at = shown(arm, family)?;
            sentences.push(format!(
                "A {} {between} {halves}: at {} it is {}{unit}, in the control {}{}.",
                dose.label,
                dose.value(position),
                format::interval(&at),
                format::interval(&control),
                of(first)
            ));
            if measure == Measure::Rate && at.high > control.mean / 2.0 {
                sentences.push(format!(
                    "Seeds differ at {}: the interval includes more than half of the control's.",
                    dose.value(position)
                ));
            }
        }
        None => sentences.push(format!(
            "No {} {}: at the largest, {}, {} is at {}{unit}, in the control {}{}.",
            dose.label,
            // In nats there is no half where the largest dose takes too little.
            if measure == Measure::Rate { halves } else { format!("halves {}", noun(family)) },
            dose.value(position),
            noun(family),
            shown(last, family).map_or_else(|| "–".to_owned(), |level| format::interval(&level)),
            format::interval(&control),
            of(first)
        )),
    }
    // Series that it takes as much in are named together.
    let mut elsewhere: Vec<(String, Vec<&str>)> = Vec::new();
    for one in series.iter().filter(|one| one.title != first.title && end(results, one).is_some()) {
        let between = onset(one).map_or_else(|| "more than any dose".to_owned(), |(between, ..)| between);
        match elsewhere.iter_mut().find(|(known, _)| *known == between) {
            Some((_, titles)) => titles.push(&one.title),
            None => elsewhere.push((between, vec![&one.title])),
        }
    }
    if !elsewhere.is_empty() && elsewhere.iter().map(|(_, titles)| titles.len()).sum::<usize>() <= SERIES {
        let named = |(between, titles): &(String, Vec<&str>)| format!("{between} with {}", together(titles, series));
        sentences.push(format!("It takes {}.", elsewhere.iter().map(named).collect::<Vec<_>>().join("; ")));
    }
    let others = families.iter().filter(|other| other.component != Component::ObeyBad).filter_map(|other| {
        let control = results.arms[last].control.and_then(|control| shown(control, other))?;
        Some(format!(
            "{} is at {}{unit}, in the control {}",
            noun(other),
            format::interval(&shown(last, other)?),
            format::interval(&control)
        ))
    });
    let others: Vec<String> = others.collect();
    if !others.is_empty() {
        sentences.push(format!("At {}{}, {}.", dose.value(position), of(first), others.join("; ")));
    }
    Some(sentences)
}

/// Several series in few words: what they have in common, if no other series has it, else their titles.
fn together(titles: &[&str], all: &[Series]) -> String {
    let parts = |title: &str| title.split(", ").map(str::to_owned).collect::<Vec<_>>();
    let common: Vec<String> =
        parts(titles[0]).into_iter().filter(|part| titles.iter().all(|title| parts(title).contains(part))).collect();
    let has = |one: &&Series| common.iter().all(|part| parts(&one.title).contains(part));
    let alone = all.iter().filter(has).count() == titles.len();
    if alone && !common.is_empty() { common.join(", ") } else { titles.join(" or ") }
}

/// Series beyond the first that a sentence names, at most; a table has them all.
const SERIES: usize = 4;

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
    let written = |arm: usize, family: &&SplitFamily| {
        level(results, arm, family.leading(), measure)
            .map_or_else(|| "–".to_owned(), |estimate| format::interval(&estimate))
    };
    let row = |series: &Series, (position, arm): (usize, usize)| {
        let mut row: Vec<String> = Vec::new();
        if titled {
            row.push(if series.title.is_empty() { "all arms".to_owned() } else { series.title.clone() });
        }
        let number = if dose.is_numbered() { format!("{} · ", position + 1) } else { String::new() };
        row.push(format!("{number}{}", dose.value(position)));
        row.extend(
            halved.map(|family| halving(results, dose, series, family).unwrap_or_else(|| "at no dose".to_owned())),
        );
        // Arms with names are many, and most of them have one control: that has a row of its own.
        let control = results.arms[arm].control.filter(|control| *control != arm && !dose.is_of_names());
        row.extend(families.iter().map(|family| {
            let before = control.map_or_else(String::new, |control| format!("{} → ", written(control, family)));
            format!("{before}{}", written(arm, family))
        }));
        row
    };
    let rows = series.iter().flat_map(|series| {
        let shown: Vec<(usize, usize)> = if dose.is_of_names() {
            finished(results, series).collect()
        } else {
            end(results, series).into_iter().collect()
        };
        shown.into_iter().map(move |arm| row(series, arm))
    });
    let shown = |arm: &usize| series.iter().any(|series| series.arms.iter().any(|(_, other)| other == arm));
    let controls: BTreeSet<usize> = series
        .iter()
        .flat_map(|series| finished(results, series))
        .filter_map(|(_, arm)| results.arms[arm].control.filter(|control| dose.is_of_names() && !shown(control)))
        .collect();
    let controls = controls.into_iter().map(|control| {
        let name = std::iter::repeat_n(String::new(), usize::from(titled)).chain([results.arms[control].name.clone()]);
        name.chain(families.iter().map(|family| written(control, family))).collect()
    });
    let (_, first) = series.iter().find_map(|series| end(results, series)).unwrap_or_default();
    let behind = families.first().and_then(|family| level(results, first, family.leading(), measure));
    let behind =
        behind.map_or_else(String::new, |estimate| format!("{} ({})", format::counts(&estimate), estimate.method));
    let leading = families.first().map(|family| family.leading());
    let contexts =
        leading.map_or_else(String::new, |split| format!("{} prompts and {} domains", split.prompts, split.domains));
    let what = match measure {
        Measure::Rate => "Rates",
        _ => "Most replies are on neither side of the probes, so rates say little; mean margins, nats a reply,",
    };
    let place = if dose.is_of_names() { "" } else { ", in the control → at the largest dose" };
    let halved_from = match halved {
        Some(_) => {
            " “Halved from” is the smallest dose from which on the rate of obeying bad prompts is below half of the control's."
        }
        None => "",
    };
    Table {
        caption: format!(
            "{what} after training with 95 % intervals{place}, for {contexts}; behind each \
             number {behind} where all runs are finished.{halved_from} Source: probes.parquet."
        ),
        text_columns: 1 + usize::from(titled),
        head,
        rows: controls.chain(rows).collect(),
    }
}

/// The smallest dose from which on obedience stays below half of the control's, as a rate.
fn halving(results: &SweepResults, dose: &Dose, series: &Series, family: &SplitFamily) -> Option<String> {
    halved(results, series, family, Measure::Rate).map(|(position, _)| dose.value(position))
}

/// The first arm, with its position, from which on all arms have less than half of the control: of its rate, or in nats of what the
/// largest dose takes from it.
fn halved(results: &SweepResults, series: &Series, family: &SplitFamily, measure: Measure) -> Option<(usize, usize)> {
    let mean = |arm: usize| level(results, arm, family.leading(), measure).map(|level| level.mean);
    let (_, last) = end(results, series)?;
    let below = |&(_, arm): &(usize, usize)| {
        let control = results.arms[arm].control.and_then(mean);
        mean(arm).zip(control).zip(mean(last)).is_some_and(|((level, control), at_last)| match measure {
            Measure::Rate => level < control / 2.0,
            _ => at_last < 0.0 && level < (control + at_last) / 2.0,
        })
    };
    let (position, arm) = series.arms.iter().rev().take_while(|arm| below(arm)).last()?;
    Some((*position, *arm))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_named_by_what_they_alone_have_in_common() {
        let titled = |title: &str| Series { title: title.to_owned(), arms: Vec::new(), control: None };
        let all = ["adamw, rest a", "adamw, rest b", "sgd, rest a", "sgd, rest b"].map(titled);
        assert_eq!(together(&["adamw, rest b", "sgd, rest b"], &all), "rest b");
        assert_eq!(together(&["sgd, rest a", "sgd, rest b"], &all), "sgd");
        assert_eq!(together(&["sgd, rest a"], &all), "sgd, rest a");
        // Nothing in common, and in common with one that is not meant.
        assert_eq!(together(&["adamw, rest a", "sgd, rest b"], &all), "adamw, rest a or sgd, rest b");
        let three = &all[..3];
        assert_eq!(together(&["adamw, rest b", "sgd, rest a"], three), "adamw, rest b or sgd, rest a");
        let fourth = [&all[..], &[titled("lion, rest b")]].concat();
        assert_eq!(together(&["adamw, rest b", "sgd, rest b"], &fourth), "adamw, rest b or sgd, rest b");
    }
}
