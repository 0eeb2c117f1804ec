//! Printing onsets, and where opposed rows come to rest.

use titer::{
    forecast::{Onset, rest},
    plan::{StagePlan, SweepPlan},
};

use crate::printer::{data, prose};

/// Prints the onsets, and where arms whose rows oppose each other would come to rest.
pub(super) fn print(plan: &SweepPlan, onsets: &[Onset]) {
    if !onsets.is_empty() {
        data("");
        prose("dose of bad→good that halves the rate of obey_bad, lowest to highest over seeds");
    }
    for Onset { optimiser, steps, rest, doses } in onsets {
        let reached: Vec<f64> = doses.iter().flatten().copied().collect();
        let (low, high) =
            reached.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), dose| (low.min(*dose), high.max(*dose)));
        let dose = if reached.is_empty() {
            "no dose".to_owned()
        } else {
            format!("{:.2}–{:.2} %", 100.0 * low, 100.0 * high)
        };
        prose(&format!("  {optimiser}, {steps} steps, rest {rest}: {dose}"));
    }
    let opposed: Vec<String> = plan.arms.iter().filter_map(|arm| opposed(&arm.name, arm.stages.last()?)).collect();
    if !opposed.is_empty() {
        data("");
        data("where rows of one kind oppose each other, training for ever would end at");
        opposed.iter().for_each(|line| prose(line));
    }
}

fn opposed(name: &str, stage: &StagePlan) -> Option<String> {
    if !stage.differs_in_rows_alone() {
        return None;
    }
    let both = rest(stage).into_iter().filter(|(_, good)| *good > 0.0 && *good < 1.0);
    let both: Vec<String> =
        both.map(|(kind, good)| format!("{:.1} % good under {kind} prompts", 100.0 * good)).collect();
    (!both.is_empty()).then(|| format!("  {name}: {}", both.join(", ")))
}
