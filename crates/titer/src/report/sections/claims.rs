//! Claims: what the spec said that its runs would show, what they show, a verdict on each, and whether it was made before them.

use crate::{
    claim::{Bound, Claim, DEAF, HALF, Judgement, Made, Trained, Verdict, judge},
    report::{format, view::Table},
    results::SweepResults,
    stats::{Estimate, holm},
    words::counted,
};

/// The chance that a claim whose truth lies at its bound holds: one end of a 95 % interval.
const LEVEL: f64 = 0.025;

/// How many claims were made before the runs and how many judgements came out how, as a sentence; and every claim, in the order of the spec, in every arm that it is about.
/// `None` where the spec makes none.
pub(crate) fn section(results: &SweepResults, claims: &[Claim]) -> Option<(String, Table)> {
    if claims.is_empty() {
        return None;
    }
    let judged: Vec<(&Claim, Judgement)> =
        claims.iter().flat_map(|claim| judge(results, claim).into_iter().map(move |judged| (claim, judged))).collect();
    let count = |verdict: Verdict| judged.iter().filter(|(_, judged)| judged.verdict == verdict).count();
    let counts = Verdict::ALL.map(|verdict| (count(verdict), verdict)).into_iter().filter(|(count, _)| *count > 0);
    let counts = counts.map(|(count, verdict)| format!("{count} × {verdict}")).collect::<Vec<_>>().join(", ");
    let when: Vec<Made> = claims.iter().map(|claim| Made::of(claim, results)).collect();
    let made = Made::ALL.map(|made| (when.iter().filter(|when| **when == made).count(), made));
    let made = made.into_iter().filter(|(count, _)| *count > 0).map(|(count, made)| match made {
        Made::Before => format!("{count} made before the runs"),
        Made::Later => format!("{count} added later"),
        Made::NotKnown => format!("{count} of which it is not known when"),
    });
    let made = made.collect::<Vec<_>>().join(", ");
    let p_values: Vec<Option<f64>> =
        judged.iter().map(|(claim, judged)| claim.bound.p_value(judged.value.as_ref()?)).collect();
    let tested: Vec<f64> = p_values.iter().flatten().copied().collect();
    let mut together = holm(&tested, LEVEL).into_iter();
    let together: Vec<Option<bool>> = p_values.iter().map(|p| p.and_then(|_| together.next())).collect();
    let kept = together.iter().filter(|passes| **passes == Some(true)).count();
    let sentence = format!(
        "Claims ({made}), as judged by the runs: {counts}. {} an interval; were the truth at every bound, {} of them would hold by chance. Judged \
         all together (Holm), {} still {}.",
        match tested.len() {
            1 => "1 has".to_owned(),
            many => format!("{many} have"),
        },
        format::two_digits(LEVEL * tested.len() as f64),
        if kept == 0 { "none".to_owned() } else { kept.to_string() },
        if kept == 1 || kept == 0 { "holds" } else { "hold" },
    );
    let row = |((claim, judged), together): (&(&Claim, Judgement), &Option<bool>)| {
        vec![
            claim.text.clone(),
            judged.verdict.to_string(),
            match together {
                Some(true) => "holds",
                Some(false) => "",
                None => "–",
            }
            .to_owned(),
            judged.value.as_ref().map_or_else(|| "–".to_owned(), precise),
            wanted(claim.bound),
            behind(judged),
            training(&judged.trained),
            judged.measured.clone(),
            Made::of(claim, results).to_string(),
        ]
    };
    let head =
        ["claim", "verdict", "with all others", "measured", "wanted", "behind it", "training", "measured as", "made"];
    let table = Table {
        caption: format!(
            "Means of seeds with 95 % interval: t over seeds, on log-odds of rates and on artanh of differences of rates and of correlations; where \
             all seeds measure the same items, over items too; of pooled correlations, by leaving out one seed at a time, and none with fewer than \
             three seeds. A claim holds where the whole interval is where it should be, does not hold where \
             the whole interval is where it should not, and is undecided else. With all others: whether it holds too when all claims are judged together, so \
             that the chance of any false one is at most {LEVEL} (Holm); – without an interval. Half-way is the moment at which the rate of \
             obey_bad (seen prompts, trained domains) is nearest {HALF} of the base's; deaf is the end of a run where it is \
             at most {DEAF} of it; runs that do not get there are left out. Pressures in nats per unit of learning rate, \
             surprise in nats. Made: before the first of its runs started, or added when one had; not known where a run does \
             not say which claims there were. Source: the tables of each run, the start event of each, and the spec."
        ),
        text_columns: head.len(),
        head: head.map(str::to_owned).into(),
        rows: judged.iter().zip(&together).map(row).collect(),
    };
    Some((sentence, table))
}

fn training(trained: &Trained) -> String {
    match trained {
        Trained::Nothing => "before training".to_owned(),
        Trained::Arm(name) => name.clone(),
        Trained::Arms(count) => counted(*count, "arm"),
    }
}

/// Seeds and, of a correlation, runs.
fn behind(judged: &Judgement) -> String {
    let seeds = counted(judged.seeds, "seed");
    judged.runs.map_or(seeds.clone(), |runs| format!("{seeds}, {}", counted(runs, "run")))
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
        Bound::Within { distance, centre } => format!("{} ± {}", format::plain(centre), format::plain(distance)),
    }
}
