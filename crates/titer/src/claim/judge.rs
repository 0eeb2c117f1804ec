//! Judging a claim by the finished runs.

use std::collections::BTreeMap;

use super::{Claim, Correlation, Formula, Over, Scope, Verdict, reading::read};
use crate::{
    results::{ArmResults, RunResults, SweepResults},
    stats::{Estimate, correlated, pearson, spearman},
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
    let value = |arm: &ArmResults, run: &RunResults| claim.value.value(|quantity| read(arm, run, quantity));
    let measured = |text: &str| {
        let reads = claim.value.quantities().iter().any(|quantity| quantity.at == claim.at);
        if reads { format!("{text}, at {}", claim.at) } else { text.to_owned() }
    };
    let of_seeds = |trained: Trained, text: &str, values: &[f64]| {
        let value = Estimate::clustered(values.iter().map(std::slice::from_ref));
        Judgement {
            trained,
            measured: measured(text),
            verdict: value.map_or(Verdict::NotMeasured, |value| claim.bound.judge(&value)),
            value,
            seeds: values.len(),
            runs: None,
        }
    };
    match &claim.scope {
        Scope::Untrained => {
            let mut first: BTreeMap<u64, f64> = BTreeMap::new();
            for (arm, run) in results.arms.iter().flat_map(|arm| arm.runs.iter().map(move |run| (arm, run))) {
                if let Some(value) = value(arm, run) {
                    first.entry(run.seed).or_insert(value);
                }
            }
            let values: Vec<f64> = first.into_values().collect();
            vec![of_seeds(Trained::Nothing, claim.value.text(), &values)]
        }
        Scope::Arms(arms) => {
            let one = |&(at, against): &(usize, Option<usize>)| {
                let (arm, other) = (&results.arms[at], against.map(|other| &results.arms[other]));
                let difference = |run: &RunResults| match other {
                    None => value(arm, run),
                    // Paired by seed: a seed that only one of the two has finished says nothing.
                    Some(other) => {
                        let partner = other.runs.iter().find(|partner| partner.seed == run.seed)?;
                        Some(value(arm, run)? - value(other, partner)?)
                    }
                };
                let values: Vec<f64> = arm.runs.iter().filter_map(difference).collect();
                let text = claim.value.text();
                match other {
                    None => of_seeds(Trained::Arm(arm.name.clone()), text, &values),
                    Some(other) => of_seeds(
                        Trained::Arm(arm.name.clone()),
                        &format!("{text}, less the same in {}", other.name),
                        &values,
                    ),
                }
            };
            arms.iter().map(one).collect()
        }
        Scope::Correlation { with, method, over, arms } => {
            vec![correlation(results, claim, with, *method, *over, arms)]
        }
    }
}

fn correlation(
    results: &SweepResults,
    claim: &Claim,
    with: &Formula,
    method: Correlation,
    over: Over,
    arms: &[usize],
) -> Judgement {
    let mut seeds: BTreeMap<u64, Vec<(f64, f64)>> = BTreeMap::new();
    for arm in arms.iter().map(|arm| &results.arms[*arm]) {
        for run in &arm.runs {
            let of = |formula: &Formula| formula.value(|quantity| read(arm, run, quantity));
            if let Some(point) = of(&claim.value).zip(of(with)) {
                seeds.entry(run.seed).or_default().push(point);
            }
        }
    }
    let (name, of) = match method {
        Correlation::Spearman => ("Spearman", spearman as fn(&[f64], &[f64]) -> f64),
        Correlation::Pearson => ("Pearson", pearson as fn(&[f64], &[f64]) -> f64),
    };
    let points: usize = seeds.values().map(Vec::len).sum();
    let seeds: Vec<Vec<(f64, f64)>> = seeds.into_values().collect();
    let (value, word) = match over {
        Over::EachSeed => {
            let within = seeds.iter().map(|points| {
                let (x, y): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
                of(&x, &y)
            });
            let within: Vec<f64> = within.filter(|value| value.is_finite()).collect();
            (Estimate::clustered(within.iter().map(std::slice::from_ref)), "within each seed")
        }
        Over::Pooled => (correlated(&seeds, of), "over all runs"),
    };
    Judgement {
        trained: Trained::Arms(arms.len()),
        measured: format!("{name} of {} and {}, {word}", claim.value.text(), with.text()),
        verdict: value.map_or(Verdict::NotMeasured, |value| claim.bound.judge(&value)),
        value,
        seeds: seeds.len(),
        runs: Some(points),
    }
}
