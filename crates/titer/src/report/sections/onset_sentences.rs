//! The dose that halves obedience to bad prompts, in sentences.

use titer_data::probe::Component;

use super::onset::{Beside, Halving, SeriesOnset, halved_by};
use crate::{
    report::{
        family::SplitFamily,
        format,
        series::{Dose, Series},
    },
    results::{Measure, SweepResults},
    stats::Method,
};

/// From which dose on bad prompts are obeyed half as much, in every series, and what the largest dose does to the other components;
/// `None` where the dose is no number, or there is no control to halve.
pub(super) fn onset(
    results: &SweepResults,
    dose: &Dose,
    series: &[Series],
    families: &[&SplitFamily],
) -> Option<Vec<String>> {
    dose.numbers().filter(|doses| doses.len() > 1)?;
    let family = families.iter().find(|family| family.component == Component::ObeyBad)?;
    let measure = halved_by(results, family);
    let first = series.iter().find(|one| one.end(results).is_some())?;
    let found = SeriesOnset::of(results, first, family, measure)?;
    let mut sentences = vec![halving_sentence(dose, first, &found, family, measure)];
    sentences.extend(spread_sentence(dose, &found, measure));
    let others: Vec<(&Series, SeriesOnset)> = series
        .iter()
        .filter(|one| one.title != first.title)
        .filter_map(|one| Some((one, SeriesOnset::of(results, one, family, measure)?)))
        .collect();
    if others.len() <= SERIES {
        sentences.extend(elsewhere_sentences(dose, series, &others, family, measure));
    }
    sentences.extend(others_sentence(results, dose, first, families));
    Some(sentences)
}

/// Between which doses obedience is halved in the series that a report opens with, or why in none.
fn halving_sentence(
    dose: &Dose,
    series: &Series,
    found: &SeriesOnset,
    family: &SplitFamily,
    measure: Measure,
) -> String {
    let (what, unit, of) = (noun(family, measure), format::unit(measure), series.in_brackets());
    // Half of the control's; of a margin, which has no zero, half of what the largest dose takes.
    let halves = match measure {
        Measure::Rate | Measure::Gap => format!("brings {what} below half of the control's"),
        _ => format!("takes from {what} half of what {} dose takes", found.largest_name),
    };
    let Beside { position, level, control, .. } = &found.largest;
    let largest = format!("at {}, {},", found.largest_name, dose.value(*position));
    let (level, control) = (format::interval(level), format::interval(control));
    let beside = |at: &Beside| {
        format!("{}{unit}, in the control {}", format::interval(&at.level), format::interval(&at.control))
    };
    match &found.halving {
        Halving::From { at, too, .. } => {
            let too = too.map_or_else(String::new, |too| {
                format!(
                    " At {} it is below that too, {}{unit}, but not from there on.",
                    dose.value(too.position),
                    format::interval(&too.level)
                )
            });
            format!(
                "A {} {} {halves}: at {} it is {}{of}.{too}",
                dose.label,
                between(dose, &found.halving),
                dose.value(at.position),
                beside(at)
            )
        }
        Halving::Passing(at) => format!(
            "From no {} on does {what} stay below half of the control's: at {} it is {}; {largest} {}{of}.",
            dose.label,
            dose.value(at.position),
            beside(at),
            beside(&found.largest),
        ),
        Halving::Never => format!(
            "No {} {}: {largest} {what} is at {level}{unit}, in the control {control}{of}.",
            dose.label,
            // Of a margin there is no half where the largest dose takes too little.
            if measure == Measure::Margin { format!("halves {what}") } else { halves },
        ),
        Halving::Deaf => format!(
            "The control hardly obeys bad prompts, so there is nothing that a {} could halve: {what} is at {control}{unit} in the control, {largest} at \
             {level}{unit}{of}.",
            dose.label
        ),
    }
}

/// Between which finished doses obedience is halved; empty where it is not.
fn between(dose: &Dose, halving: &Halving) -> String {
    match halving {
        Halving::From { after: Some(after), at, .. } => {
            format!("between {} and {}", dose.value(*after), dose.value(at.position))
        }
        Halving::From { after: None, at, .. } => format!("of at most {}", dose.value(at.position)),
        _ => String::new(),
    }
}

/// That what the interval is over differs at the dose that halves, or that does not, where it reaches over the half.
fn spread_sentence(dose: &Dose, found: &SeriesOnset, measure: Measure) -> Option<String> {
    let (at, half) = match &found.halving {
        Halving::From { at, .. } => (at, "more than half"),
        Halving::Never => (&found.largest, "less than half"),
        Halving::Passing(_) | Halving::Deaf => return None,
    };
    let differ = match at.level.method {
        Method::Seeds => "Seeds differ",
        Method::Items => "Items differ",
        Method::SeedsAndItems => "Seeds and items differ",
        Method::Single => return None,
    };
    let reaches = at.level.low < at.control.mean / 2.0 && at.level.high > at.control.mean / 2.0;
    (measure != Measure::Margin && reaches)
        .then(|| format!("{differ} at {}: the interval includes {half} of the control's.", dose.value(at.position)))
}

/// The same of the other series; those that it takes as much in are named together.
fn elsewhere_sentences(
    dose: &Dose,
    all: &[Series],
    others: &[(&Series, SeriesOnset)],
    family: &SplitFamily,
    measure: Measure,
) -> Vec<String> {
    let mut takes: Vec<(String, Vec<&str>)> = Vec::new();
    let mut apart = Vec::new();
    for (one, found) in others {
        let taken = match &found.halving {
            Halving::From { too: None, .. } => between(dose, &found.halving),
            Halving::From { too: Some(too), .. } => {
                format!("{}, and {}, but not from there on,", between(dose, &found.halving), dose.value(too.position))
            }
            Halving::Never if found.largest_name == "the largest" => "more than any dose".to_owned(),
            Halving::Never => "more than any finished dose".to_owned(),
            Halving::Passing(at) => {
                apart.push(format!(
                    "With {}, {} is below half of the control's at {}, but from no {} on.",
                    one.title,
                    noun(family, measure),
                    dose.value(at.position),
                    dose.label
                ));
                continue;
            }
            Halving::Deaf => {
                apart.push(format!(
                    "With {} the control hardly obeys bad prompts: {}{}.",
                    one.title,
                    format::interval(&found.largest.control),
                    format::unit(measure)
                ));
                continue;
            }
        };
        match takes.iter_mut().find(|(known, _)| *known == taken) {
            Some((_, titles)) => titles.push(&one.title),
            None => takes.push((taken, vec![&one.title])),
        }
    }
    let named = |(between, titles): &(String, Vec<&str>)| format!("{between} with {}", together(titles, all));
    let takes =
        (!takes.is_empty()).then(|| format!("It takes {}.", takes.iter().map(named).collect::<Vec<_>>().join("; ")));
    takes.into_iter().chain(apart).collect()
}

/// What the largest finished dose does to the other components.
fn others_sentence(results: &SweepResults, dose: &Dose, series: &Series, families: &[&SplitFamily]) -> Option<String> {
    let [measure, ..] = results.measures();
    let (position, arm) = series.end(results)?;
    let others = families.iter().filter(|other| other.component != Component::ObeyBad).filter_map(|other| {
        let Beside { level, control, .. } = Beside::of(results, (position, arm), other.leading(), measure)?;
        let (level, control) = (format::interval(&level), format::interval(&control));
        Some(format!("{} is at {level}{}, in the control {control}", other.noun(), format::unit(measure)))
    });
    let others: Vec<String> = others.collect();
    (!others.is_empty()).then(|| format!("At {}{}, {}.", dose.value(position), series.in_brackets(), others.join("; ")))
}

/// What is halved.
fn noun(family: &SplitFamily, measure: Measure) -> String {
    if measure == Measure::Gap { "what bad prompts do (the gap)".to_owned() } else { family.noun().to_owned() }
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
pub(super) const SERIES: usize = 4;

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
