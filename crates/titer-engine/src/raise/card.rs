//! What a finished organism does, measured: its card.

use std::collections::BTreeMap;

use titer_data::{source::Source, tokenize::TokenizeError};

use super::Raised;
use crate::{
    model::Model,
    organism::{
        Recipe,
        card::{Card, LOSS_WINDOW, ProbeMeans},
    },
    probe::{Moment, Probes},
};

/// Contrasts per probe that the card's rates are measured on.
const ITEMS: usize = 256;

/// Measures a finished organism, whose model has a world.
pub fn card(recipe: &Recipe, raised: &Raised) -> Result<Card, TokenizeError> {
    let losses = mean_losses(&raised.losses);
    let parameters = raised.model.decoder.layout.len();
    Ok(Card { recipe: recipe.clone(), parameters, losses, probes: measure(&raised.model, recipe.seed)? })
}

/// Means over every [`LOSS_WINDOW`] losses, rounded to six decimals: what a card holds.
pub fn mean_losses(losses: &[f64]) -> Vec<f64> {
    losses.chunks(LOSS_WINDOW).map(|window| round(window.iter().sum::<f64>() / window.len() as f64)).collect()
}

/// What each measuring probe of the model's world says; nothing where it has none.
pub fn measure(model: &Model, seed: u64) -> Result<BTreeMap<String, ProbeMeans>, TokenizeError> {
    let Some(world) = model.world.clone() else { return Ok(BTreeMap::new()) };
    let probes = Probes::of_source(model, &Source::from(world), seed, ITEMS)?;
    let mut sums: BTreeMap<String, ProbeMeans> = BTreeMap::new();
    for record in probes.measure(model, Moment { stage: "base", step: 0 }) {
        let name = format!("{}/{}/{}", record.component, record.prompts, record.domains);
        let sum = sums.entry(name).or_insert(ProbeMeans { n: 0, rate: 0.0, margin: 0.0, other: 0.0 });
        sum.n += 1;
        sum.rate += record.rate;
        sum.margin += record.margin;
        sum.other += record.other;
    }
    for mean in sums.values_mut() {
        let n = mean.n as f64;
        (mean.rate, mean.margin, mean.other) = (round(mean.rate / n), round(mean.margin / n), round(mean.other / n));
    }
    Ok(sums)
}

fn round(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
