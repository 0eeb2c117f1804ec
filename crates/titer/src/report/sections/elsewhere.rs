//! Which runs titer did not train, who did, and what it knows of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{report::view::Table, results::SweepResults, store::Origin, words::counted};

/// What the report says of runs that were trained elsewhere.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Elsewhere {
    /// How many, by whom, in one sentence.
    pub sentence: String,
    /// What their trainers do otherwise, by trainer, a sentence each.
    pub differences: Vec<String>,
    /// The runs.
    pub runs: Table,
}

/// What a rate of these runs is: exact where titer measured, else as it was given.
pub(crate) fn rates(results: &SweepResults) -> &'static str {
    let given =
        |measured: bool| results.runs().any(|run| run.origin().is_none_or(|origin| origin.measured) == measured);
    match [true, false].map(given) {
        [_, false] => "is an exact probability",
        [true, true] => "is an exact probability, but of runs that were measured elsewhere an outcome as it was given",
        [false, true] => "is an outcome as it was given",
    }
}

/// The runs that titer did not train; `None` where it trained all.
pub(crate) fn section(results: &SweepResults) -> Option<Elsewhere> {
    let mut seen = BTreeSet::new();
    let runs: Vec<(&str, u64, &Origin)> = results
        .arms
        .iter()
        .flat_map(|arm| arm.runs.iter().map(move |run| (arm, run)))
        .filter(|(_, run)| seen.insert(run.plan_hash.as_str()))
        .filter_map(|(arm, run)| Some((arm.name.as_str(), run.seed, run.origin()?)))
        .collect();
    if runs.is_empty() {
        return None;
    }
    let mut trainers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut differences = Vec::new();
    for (_, _, origin) in &runs {
        *trainers.entry(&origin.trainer).or_default() += 1;
        for sentence in &origin.not_carried {
            let difference = format!("{}: {sentence}", origin.trainer);
            if !differences.contains(&difference) {
                differences.push(difference);
            }
        }
    }
    let by = trainers.iter().map(|(trainer, count)| format!("{count} by {trainer}")).collect::<Vec<_>>().join(", ");
    let outcomes = runs.iter().filter(|(_, _, origin)| !origin.measured).count();
    let outcomes = match outcomes {
        0 => "; titer's probes measured all of them".to_owned(),
        n if n == runs.len() => "; their rates are outcomes that were measured elsewhere too".to_owned(),
        n => format!("; the rates of {n} are outcomes that were measured elsewhere too"),
    };
    let row = |(arm, seed, origin): &(&str, u64, &Origin)| {
        let measured = if origin.measured { "titer's probes" } else { "outcomes as given" };
        vec![(*arm).to_owned(), origin.trainer.clone(), measured.to_owned(), origin.from.join(", "), seed.to_string()]
    };
    Some(Elsewhere {
        sentence: format!("{} trained elsewhere ({by}){outcomes}.", counted(runs.len(), "run")),
        differences,
        runs: Table {
            caption: "Who trained a run, who measured it, and where its weights or outcomes were. Source: origin.toml of each run."
                .to_owned(),
            text_columns: 4,
            head: ["arm", "trained by", "measured by", "from", "seed"].map(str::to_owned).into(),
            rows: runs.iter().map(row).collect(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{ArmResults, RunResults};

    #[test]
    fn a_rate_that_was_given_is_not_called_exact() {
        let run = |measured: Option<bool>| {
            let origin = measured.map(|measured| Origin {
                format: 1,
                trainer: "trl".to_owned(),
                measured,
                from: Vec::new(),
                blake3: String::new(),
                not_carried: Vec::new(),
            });
            RunResults::default().with_origin(origin)
        };
        let rates = |measured: &[Option<bool>]| {
            let runs = measured.iter().copied().map(run).collect();
            rates(&SweepResults { arms: vec![ArmResults { runs, ..ArmResults::default() }], ..SweepResults::default() })
        };
        assert_eq!(rates(&[None, Some(true)]), "is an exact probability");
        assert_eq!(rates(&[Some(false)]), "is an outcome as it was given");
        assert!(rates(&[None, Some(false)]).starts_with("is an exact probability, but of runs"));
    }
}
