//! Judging a claim by the finished runs.

use std::{collections::BTreeMap, sync::Arc};

use super::{Claim, Formula, Over, Scope, Verdict, What, reading::read};
use crate::{
    results::{ArmResults, ItemBlocks, RunResults, SweepResults, mean_of_runs},
    stats::{Correlation, CorrelationPoint, Estimate, Support},
};

/// A claim as judged: on what, the numbers and the verdict.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The arms.
    pub trained: Trained,
    /// What was measured, in words.
    pub measured: String,
    /// Mean and interval; `None` where no run has the quantities.
    pub value: Option<Estimate>,
    /// Whether the value is where it should be.
    pub verdict: Verdict,
    /// Seeds behind it.
    pub seeds: usize,
    /// Runs behind it, of a correlation.
    pub runs: Option<usize>,
}

impl Judgement {
    fn new(claim: &Claim, trained: Trained, measured: String, value: Option<Estimate>) -> Self {
        let verdict = value.map_or(Verdict::NotMeasured, |value| claim.bound.judge(&value));
        Self { trained, measured, value, verdict, seeds: value.map_or(0, |value| value.n_seeds), runs: None }
    }
}

/// What the runs behind a judgement trained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trained {
    /// Nothing yet: the base models were measured.
    Nothing,
    /// This arm.
    Arm(String),
    /// This many arms, together.
    Arms(usize),
}

/// Every judgement of a claim: one for each of its arms, or one over all of them.
pub fn judge(results: &SweepResults, claim: &Claim) -> Vec<Judgement> {
    let measured = |text: &str| {
        let reads = claim.value.quantities().iter().any(|quantity| quantity.at == claim.at);
        if reads { format!("{text}, at {}", claim.at) } else { text.to_owned() }
    };
    let (text, support) = (claim.value.text(), claim.value.support());
    match &claim.scope {
        Scope::Untrained => {
            let mut first: BTreeMap<u64, (&ArmResults, &RunResults)> = BTreeMap::new();
            for (arm, run) in results.arms.iter().flat_map(|arm| arm.runs.iter().map(move |run| (arm, run))) {
                if value(claim, arm, run).is_some() {
                    first.entry(run.seed).or_insert((arm, run));
                }
            }
            let runs: Vec<_> = first.into_values().map(|run| (run, None)).collect();
            vec![Judgement::new(claim, Trained::Nothing, measured(text), over_seeds(claim, support, &runs))]
        }
        Scope::Arms(arms) => {
            let judgement = |&(at, against): &(usize, Option<usize>)| {
                let (arm, other) = (&results.arms[at], against.map(|other| &results.arms[other]));
                // Paired by seed: a seed that only one of the two has finished says nothing.
                let partner = |run: &RunResults| match other {
                    None => Some(None),
                    Some(other) => Some(Some((other, other.runs.iter().find(|partner| partner.seed == run.seed)?))),
                };
                let runs: Vec<_> = arm.runs.iter().filter_map(|run| Some(((arm, run), partner(run)?))).collect();
                let (text, support) = match other {
                    None => (text.to_owned(), support),
                    Some(other) => (format!("{text}, less the same in {}", other.name), support.of_difference()),
                };
                let trained = Trained::Arm(arm.name.clone());
                Judgement::new(claim, trained, measured(&text), over_seeds(claim, support, &runs))
            };
            arms.iter().map(judgement).collect()
        }
        Scope::Correlation { with, method, over, arms } => {
            vec![correlation(results, claim, with, *method, *over, arms)]
        }
    }
}

/// A run of an arm.
type ArmRun<'a> = (&'a ArmResults, &'a RunResults);

fn value(claim: &Claim, arm: &ArmResults, run: &RunResults) -> Option<f64> {
    claim.value.value(|quantity| read(arm, run, quantity))
}

/// The claim's value in these runs, each less that in its partner if it has one: an interval over seeds, and over items where seeds share them.
fn over_seeds(claim: &Claim, support: Support, runs: &[(ArmRun<'_>, Option<ArmRun<'_>>)]) -> Option<Estimate> {
    mean_of_runs(support, |change| {
        let value_of = |&(arm, run): &ArmRun<'_>| value(claim, arm, &change(run));
        let difference = |(run, partner): &(ArmRun<'_>, Option<ArmRun<'_>>)| match partner {
            None => value_of(run),
            Some(partner) => Some(value_of(run)? - value_of(partner)?),
        };
        runs.iter().filter_map(difference).collect()
    })
}

fn correlation(
    results: &SweepResults,
    claim: &Claim,
    with: &Formula,
    method: Correlation,
    over: Over,
    arms: &[usize],
) -> Judgement {
    let seeds = |change: &dyn Fn(&RunResults) -> RunResults| -> Vec<Vec<CorrelationPoint>> {
        let mut seeds: BTreeMap<u64, Vec<CorrelationPoint>> = BTreeMap::new();
        for (unit, arm) in arms.iter().map(|arm| (*arm, &results.arms[*arm])) {
            for run in &arm.runs {
                let changed = change(run);
                let value_of = |formula: &Formula| formula.value(|quantity| read(arm, &changed, quantity));
                if let Some((x, y)) = value_of(&claim.value).zip(value_of(with)) {
                    seeds.entry(run.seed).or_default().push(CorrelationPoint { unit, x, y });
                }
            }
        }
        seeds.into_values().collect()
    };
    // Prompts that were screened are a sample of prompts; doses and the like are what they are.
    let prompts = [&claim.value, with]
        .iter()
        .any(|formula| formula.quantities().iter().any(|quantity| matches!(quantity.what, What::Screened(_))));
    let estimate = |seeds: &[Vec<CorrelationPoint>]| match over {
        Over::EachSeed if prompts => method.within_seeds_over_units(seeds),
        Over::EachSeed => method.within_seeds(seeds),
        Over::Pooled => method.pooled(seeds),
    };
    let points = seeds(&Clone::clone);
    let correlation = estimate(&points).map(|correlation| {
        let blocks = ItemBlocks::of(|noting| {
            seeds(noting);
        });
        let without = |left_out: &Arc<_>| {
            estimate(&seeds(&|run| run.without(left_out))).map_or(f64::NAN, |correlation| correlation.mean)
        };
        let items = blocks.error(correlation.mean, Support::Signed, without);
        // Two seeds have no interval of a pooled correlation, whatever their items say.
        if over == Over::Pooled && !correlation.has_interval() {
            correlation
        } else {
            correlation.and_over_items(items)
        }
    });
    let name = match method {
        Correlation::Spearman => "Spearman",
        Correlation::Pearson => "Pearson",
    };
    let word = match over {
        Over::EachSeed => "within each seed",
        Over::Pooled => "over all runs",
    };
    let measured = format!("{name} of {} and {}, {word}", claim.value.text(), with.text());
    let runs = Some(points.iter().map(Vec::len).sum());
    Judgement { runs, seeds: points.len(), ..Judgement::new(claim, Trained::Arms(arms.len()), measured, correlation) }
}
