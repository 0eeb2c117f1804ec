//! Which number of a screening predicts what a prompt will do: rank correlations over arms, seed by seed.

use std::collections::BTreeMap;

use crate::{
    claim::placed,
    report::{format, view::Table},
    results::{Measure, RunResults, Split, SweepResults},
    screen::{PREDICTORS, Placed, Predictor},
    stats::{Estimate, spearman},
};

/// Fewer arms than this have no rank correlation worth the name.
const FEWEST: usize = 4;

/// The table; `None` where fewer arms than [`FEWEST`] were screened.
pub fn table(results: &SweepResults) -> Option<Table> {
    // By seed: the placed summary and the two outcomes of every screened arm.
    let mut seeds: BTreeMap<u64, Vec<(Placed, [f64; 2])>> = BTreeMap::new();
    for run in results.arms.iter().flat_map(|arm| &arm.runs).filter(|run| !run.screened().is_empty()) {
        seeds.entry(run.seed).or_default().extend(outcome(run));
    }
    seeds.retain(|_, arms| arms.len() >= FEWEST);
    let arms = seeds.values().map(Vec::len).max()?;
    let correlation = |value: fn(&Placed) -> Option<Estimate>, outcome: usize| {
        let of_seed = |arms: &Vec<(Placed, [f64; 2])>| {
            let pairs = arms.iter().filter_map(|(placed, outcomes)| Some((value(placed)?.mean, outcomes[outcome])));
            let (predicted, measured): (Vec<f64>, Vec<f64>) = pairs.unzip();
            [spearman(&predicted, &measured)]
        };
        let found: Vec<[f64; 1]> = seeds.values().map(of_seed).filter(|one| one[0].is_finite()).collect();
        Estimate::clustered(found.iter().map(<[f64; 1]>::as_slice))
    };
    let row = |predictor: Predictor| {
        let written =
            |outcome| correlation(predictor.of, outcome).map_or_else(|| "–".to_owned(), |one| format::interval(&one));
        vec![predictor.name.to_owned(), written(0), written(1)]
    };
    Some(Table {
        caption: format!(
            "Spearman's rank correlation over {arms} arms, mean over {} with a 95 % t-interval over seeds, of each number before training with \
             the rate of good actions on neutral prompts and with the rate of obeying bad prompts (both seen wordings, trained domains) after \
             it. Source: screen.parquet and probes.parquet.",
            format::count(seeds.len(), "seed")
        ),
        text_columns: 1,
        head: ["before training", "acts well after it", "still obeys bad prompts after it"].map(str::to_owned).to_vec(),
        rows: PREDICTORS.into_iter().map(row).collect(),
    })
}

/// What a run's prompt did before training, and what became of acting well and of obeying.
fn outcome(run: &RunResults) -> Option<(Placed, [f64; 2])> {
    let rate = |component: &str| {
        let split =
            Split { component: component.to_owned(), prompts: "seen".to_owned(), domains: "trained".to_owned() };
        run.mean(&split, Measure::Rate, run.last_step(&split)?)
    };
    Some((placed(run)?, [rate("good")?, rate("obey_bad")?]))
}
