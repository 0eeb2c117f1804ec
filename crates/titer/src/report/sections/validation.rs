//! Which number of a screening predicts what a prompt will do: rank correlations over arms, seed by seed.

use titer_data::{probe::Component, prompt::CandidatePrompt};

use crate::{
    report::{format, view::Table},
    results::{ArmResults, Measure, RunResults, Split, SweepResults},
    screen::{Aim, PREDICTORS, Placed, Predictor, Screening, TOGETHER, summarise},
    stats::{Correlation, CorrelationPoint},
    table::ScreenRecord,
    words::counted,
};

/// Fewer arms than this have no rank correlation worth the name.
const FEWEST: usize = 4;

/// An arm, what its prompt did before training, and the two outcomes.
struct TrainedPrompt {
    arm: usize,
    placed: Placed,
    outcomes: [f64; 2],
}

/// The table; `None` where fewer arms than [`FEWEST`] were screened.
pub(crate) fn table(results: &SweepResults) -> Option<Table> {
    let seeds: Vec<Vec<TrainedPrompt>> = results.seeds.iter().map(|seed| trained(results, *seed)).collect();
    let seeds: Vec<Vec<TrainedPrompt>> = seeds.into_iter().filter(|arms| arms.len() >= FEWEST).collect();
    let arms = seeds.iter().map(Vec::len).max()?;
    let correlation = |predictor: Predictor, outcome: usize| {
        let point = |prompt: &TrainedPrompt| {
            Some(CorrelationPoint {
                unit: prompt.arm,
                x: (predictor.value)(&prompt.placed)?.mean,
                y: prompt.outcomes[outcome],
            })
        };
        let points: Vec<Vec<_>> = seeds.iter().map(|arms| arms.iter().filter_map(point).collect()).collect();
        Correlation::Spearman.within_seeds_over_units(&points)
    };
    let row = |predictor: Predictor| {
        let written = |outcome| {
            correlation(predictor, outcome).map_or_else(|| "–".to_owned(), |estimate| format::interval(&estimate))
        };
        vec![predictor.name.to_owned(), written(0), written(1)]
    };
    let outcome = if results.measures()[0] == Measure::Rate { "rate" } else { "margin" };
    Some(Table {
        caption: format!(
            "Spearman's rank correlation over {arms} arms, mean over {} with a 95 % interval over seeds and prompts, both of which are samples, of each \
             number before training with the {outcome} of good actions on neutral prompts and with that of obeying bad prompts (both seen wordings, \
             trained domains) after it. Source: screen.parquet and probes.parquet.",
            counted(seeds.len(), "seed")
        ),
        text_columns: 1,
        head: ["before training", "acts well after it", "still obeys bad prompts after it"].map(str::to_owned).to_vec(),
        rows: PREDICTORS.into_iter().chain([TOGETHER]).map(row).collect(),
    })
}

/// The screened arms of a seed, their prompts as if screened together.
fn trained(results: &SweepResults, seed: u64) -> Vec<TrainedPrompt> {
    let [measure, ..] = results.measures();
    let run = |arm: &ArmResults| arm.runs.iter().find(|run| run.seed == seed && !run.screened().is_empty()).cloned();
    let runs: Vec<(usize, RunResults)> =
        results.arms.iter().enumerate().filter_map(|(at, arm)| Some((at, run(arm)?))).collect();
    // Arms that differ in something else may have the same prompt.
    let named = |(arm, run): &(usize, RunResults)| -> Vec<ScreenRecord> {
        run.screened().iter().map(|record| ScreenRecord { prompt: arm.to_string(), ..record.clone() }).collect()
    };
    let prompts = runs.iter().map(|(arm, _)| CandidatePrompt::new(arm.to_string())).collect();
    let ranked = summarise(&Screening { prompts, records: runs.iter().flat_map(named).collect() }, Aim::Selectivity);
    let outcomes = |run: &RunResults| {
        let level = |component: Component| {
            let split = Split::leading(component);
            run.mean(&split, measure, run.end()?)
        };
        Some([level(Component::Good)?, level(Component::ObeyBad)?])
    };
    let trained_prompt = |(arm, run): &(usize, RunResults)| {
        let summary = ranked.iter().find(|summary| summary.prompt.name == arm.to_string())?;
        Some(TrainedPrompt { arm: *arm, placed: summary.placed.first()?.clone(), outcomes: outcomes(run)? })
    };
    runs.iter().filter_map(trained_prompt).collect()
}
