//! Is pressure what a step does? One real optimiser step on each row, from one state, and what the components did.
//!
//! A row's step is its part of a training step: the gradient of its nats times its `weight` in the loss, by plain
//! gradient descent, or by Adam from its state in a checkpoint. What Adam does with no gradient at all, on its momentum
//! alone, is taken off. Components are measured on contrasts that share no context with those that give gradients.

use titer::table::{PressureRecord, VerifyRecord};
use titer_data::{chat::Row, probe::Component, tokenize::TokenizeError};
use titer_model::{
    optim::UpdateRule,
    params::Params,
    passes::{Workspace, reply_log_probs, score},
};

use super::{COMPONENTS, Directions, Margins};
use crate::{
    model::{EngineBackend, EngineOptimiser, Model},
    probe::Moment,
    rows::PackedRows,
};

/// What to step with.
#[derive(Clone, Debug)]
pub struct Steps {
    /// Where the optimiser stands; `None` for plain gradient descent.
    pub optimiser: Option<EngineOptimiser>,
    /// Learning rate.
    pub lr: f64,
    /// What the nats of the row count for in the loss: 1 / (rows in a batch · divisor).
    pub weight: f64,
    /// The learning rates tried, as multiples of `lr`.
    pub multiples: Vec<f64>,
}

impl Steps {
    /// Nats of margin that a step at `lr` moves for a pressure of 1.
    fn nats(&self) -> f64 {
        self.lr * self.weight * self.optimiser.as_ref().map_or(1.0, EngineOptimiser::first_share)
    }
}

/// What is stepped on, and what else might have predicted its effect.
struct Subject {
    record: PressureRecord,
    /// What the system prompt adds to the reply's log-probability, nats; 0 for a row without one.
    lift: f64,
    /// Pressures along contrasts whose sides were swapped at random.
    shuffled: [f64; COMPONENTS],
    /// Pressures along random directions with the Gram matrix of the real ones.
    random: [f64; COMPONENTS],
}

/// Steps on every row at every multiple of the rate, and measures on `measured`. `progress` is told of every step.
///
/// # Errors
/// Where a row cannot be encoded.
pub fn verify(
    model: &mut Model,
    differentiated: &Margins,
    measured: &Margins,
    rows: &[Row],
    steps: &Steps,
    seed: u64,
    progress: &dyn Fn(),
) -> Result<Vec<VerifyRecord>, TokenizeError> {
    let encoded = PackedRows::encode(model, rows)?;
    let subjects = subjects(model, differentiated, rows, &encoded, steps, seed)?;
    let backend = model.decoder.backend().clone();
    let start = model.params.clone();
    let still = Params::zeros(&backend, &model.decoder.layout);
    let mut workspace = Workspace::default();
    let mut records = Vec::with_capacity(rows.len() * steps.multiples.len() * COMPONENTS);
    for &multiple in &steps.multiples {
        let step = |model: &mut Model, gradient: &Params<EngineBackend>| {
            let sgd = || EngineOptimiser::new(&backend, &model.decoder.layout, UpdateRule::Sgd { momentum: 0.0 });
            let mut optimiser = steps.optimiser.clone().unwrap_or_else(sgd);
            optimiser.step(&backend, &mut model.params, gradient, steps.weight, multiple * steps.lr);
            let margins = measured.each(model);
            model.params.clone_from(&start);
            margins
        };
        let before = step(model, &still);
        for (at, Subject { record, lift, shuffled, random }) in subjects.iter().enumerate() {
            let shards = encoded.pack(model, &[at]);
            let weights: Vec<_> = shards.iter().map(|packed| vec![1.0; packed.targets.len()]).collect();
            let gradient = workspace.gradient(&model.decoder, &model.params, &shards, &weights).0;
            let after = step(model, gradient);
            let nats = multiple * steps.nats();
            for (k, component) in Component::ALL.into_iter().enumerate() {
                let changes: Vec<f64> = after[k].iter().zip(&before[k]).map(|(after, before)| after - before).collect();
                let (mean, error) = mean_and_error(&changes);
                records.push(VerifyRecord {
                    multiple,
                    cell: record.cell,
                    item: record.item.clone(),
                    component,
                    predicted: nats * record.pressures()[k],
                    measured: mean,
                    noise: std::f64::consts::SQRT_2 * error,
                    surprise: record.surprise,
                    gradient_norm: record.gradient_norm,
                    lift: *lift,
                    shuffled: nats * shuffled[k],
                    random: nats * random[k],
                });
            }
            progress();
        }
    }
    Ok(records)
}

fn subjects(
    model: &Model,
    differentiated: &Margins,
    rows: &[Row],
    encoded: &PackedRows,
    steps: &Steps,
    seed: u64,
) -> Result<Vec<Subject>, TokenizeError> {
    let at = Moment { stage: "", step: 0 };
    let under = |directions: Directions| match &steps.optimiser {
        Some(optimiser) => directions.under(model, optimiser),
        None => directions,
    };
    let real = differentiated.directions(model);
    let random = under(real.random_like(model, seed)).pressures(model, encoded, at);
    let shuffled = under(differentiated.swapped(seed).directions(model)).pressures(model, encoded, at);
    let bare = rows.iter().map(|row| row.under(""));
    let bare = log_probs(model, &PackedRows::encode(model, &bare.collect::<Vec<_>>())?);
    let records = under(real).pressures(model, encoded, at).into_iter();
    let all = records.zip(bare).zip(shuffled.iter().zip(&random));
    Ok(all
        .map(|((record, bare), (shuffled, random))| Subject {
            lift: -record.surprise - bare,
            record,
            shuffled: shuffled.pressures(),
            random: random.pressures(),
        })
        .collect())
}

/// Log-probability of every row's reply, nats.
fn log_probs(model: &Model, rows: &PackedRows) -> Vec<f64> {
    let scores = score(&model.decoder, &model.params, rows.shards());
    rows.shards().iter().zip(&scores).flat_map(|(packed, scores)| reply_log_probs(packed, scores)).collect()
}

/// The mean, and its standard error.
fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, (variance / count).sqrt())
}
