//! Claims: what the spec said that its runs would show, what they show, and a verdict on each.

use std::collections::BTreeMap;

use crate::{
    claim::{Bound, Claim, Correlation, Formula, Over, Scope, Verdict},
    report::{
        data::{Arm, Data, Run},
        format,
        reading::{DEAF, HALF, read},
        view::Table,
    },
    stats::{Estimate, correlated, pearson, spearman},
};

/// A claim as judged: in words, where, the numbers and the verdict.
struct Judged {
    /// The arms, in words.
    training: String,
    /// What was measured, in words.
    measured: String,
    /// Mean and interval; `None` where no run has the quantities.
    value: Option<Estimate>,
    verdict: Verdict,
    /// Seeds and what else is behind it.
    behind: String,
}

/// How many judgements came out how, as a sentence; and every claim, in the order of the spec, in every arm that it is about.
/// `None` where the spec makes none.
pub fn section(data: &Data) -> Option<(String, Table)> {
    if data.claims.is_empty() {
        return None;
    }
    let judged: Vec<(&Claim, Judged)> = data
        .claims
        .iter()
        .flat_map(|claim| judge(data, claim).into_iter().map(move |judged| (claim, judged)))
        .collect();
    let count = |verdict: Verdict| judged.iter().filter(|(_, judged)| judged.verdict == verdict).count();
    let counts = Verdict::ALL.map(|verdict| (count(verdict), verdict)).into_iter().filter(|(count, _)| *count > 0);
    let counts = counts.map(|(count, verdict)| format!("{count} × {verdict}")).collect::<Vec<_>>().join(", ");
    let sentence = format!("Claims made before the runs, as judged by them: {counts}.");
    let row = |(claim, judged): &(&Claim, Judged)| {
        vec![
            claim.text.clone(),
            judged.verdict.to_string(),
            judged.value.as_ref().map_or_else(|| "–".to_owned(), precise),
            wanted(claim.bound),
            judged.behind.clone(),
            judged.training.clone(),
            judged.measured.clone(),
        ]
    };
    let head = ["claim", "verdict", "measured", "wanted", "behind it", "training", "measured as"];
    let table = Table {
        caption: format!(
            "Means of seeds with 95 % interval (t over seeds); of pooled correlations, the interval that leaving out \
             one seed at a time gives. A claim holds where the whole interval is where it should be, does not hold where \
             the whole interval is where it should not, and is undecided else. Half-way is the moment at which the rate of \
             obey_bad (seen prompts, trained domains) is nearest {HALF} of the base's; deaf is the end of a run where it is \
             at most {DEAF} of it; runs that do not get there are left out. Pressures in nats per unit of learning rate, \
             surprise in nats. Source: the tables of each run, and the spec."
        ),
        text_columns: head.len(),
        head: head.map(str::to_owned).into(),
        rows: judged.iter().map(row).collect(),
    };
    Some((sentence, table))
}

fn judge(data: &Data, claim: &Claim) -> Vec<Judged> {
    let value = |arm: &Arm, run: &Run| claim.value.value(|quantity| read(arm, run, quantity));
    let measured = |text: &str| {
        let reads = claim.value.quantities().iter().any(|quantity| quantity.at == claim.at);
        if reads { format!("{text}, at {}", claim.at) } else { text.to_owned() }
    };
    let of_seeds = |training: &str, text: &str, values: &[f64]| {
        let value = Estimate::clustered(values.iter().map(std::slice::from_ref));
        let behind = format::count(values.len(), "seed");
        Judged {
            training: training.to_owned(),
            measured: measured(text),
            verdict: value.map_or(Verdict::NotMeasured, |value| claim.bound.judge(&value)),
            value,
            behind,
        }
    };
    match &claim.scope {
        Scope::Untrained => {
            let mut first: BTreeMap<u64, f64> = BTreeMap::new();
            for (arm, run) in data.arms.iter().flat_map(|arm| arm.runs.iter().map(move |run| (arm, run))) {
                if let Some(value) = value(arm, run) {
                    first.entry(run.seed).or_insert(value);
                }
            }
            let values: Vec<f64> = first.into_values().collect();
            vec![of_seeds("before training", claim.value.text(), &values)]
        }
        Scope::Arms(arms) => {
            let one = |&(at, against): &(usize, Option<usize>)| {
                let (arm, other) = (&data.arms[at], against.map(|other| &data.arms[other]));
                let difference = |run: &Run| match other {
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
                    None => of_seeds(&arm.name, text, &values),
                    Some(other) => of_seeds(&arm.name, &format!("{text}, less the same in {}", other.name), &values),
                }
            };
            arms.iter().map(one).collect()
        }
        Scope::Correlation { with, method, over, arms } => {
            vec![correlation(data, claim, with, *method, *over, arms)]
        }
    }
}

fn correlation(data: &Data, claim: &Claim, with: &Formula, method: Correlation, over: Over, arms: &[usize]) -> Judged {
    let mut seeds: BTreeMap<u64, Vec<(f64, f64)>> = BTreeMap::new();
    for arm in arms.iter().map(|arm| &data.arms[*arm]) {
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
    Judged {
        training: format::count(arms.len(), "arm"),
        measured: format!("{name} of {} and {}, {word}", claim.value.text(), with.text()),
        verdict: value.map_or(Verdict::NotMeasured, |value| claim.bound.judge(&value)),
        value,
        behind: format!("{}, {}", format::count(seeds.len(), "seed"), format::count(points, "run")),
    }
}

/// A mean with its interval, small ones with more decimals: a bound may be smaller than a hundredth.
fn precise(value: &Estimate) -> String {
    if value.mean.abs() >= 0.1 {
        return format::interval(value);
    }
    let written = |number: f64| format::plain((number * 1e4).round() / 1e4);
    if value.has_interval() {
        format!("{}\u{a0}[{},\u{a0}{}]", written(value.mean), written(value.low), written(value.high))
    } else {
        written(value.mean)
    }
}

fn wanted(bound: Bound) -> String {
    match bound {
        Bound::Above(bound) => format!("> {}", format::plain(bound)),
        Bound::Below(bound) => format!("< {}", format::plain(bound)),
        Bound::Within { distance, of } => format!("{} ± {}", format::plain(of), format::plain(distance)),
    }
}
