//! KL anchor: `+ β KL(π₀ ‖ π_θ)` on anchor contexts, `π₀` the model at the stage's start.
//!
//! Its gradient is that of a cross-entropy with `π₀` as soft targets: every position of an anchor's reply has as many
//! targets as tokens, each weighted by its probability. So the engine needs nothing new, and `π₀` is computed once.

use titer::{
    plan::{KlPlan, StagePlan},
    table::GuardRecord,
};
use titer_data::source::Source;
use titer_model::{
    decoder::Tape,
    packed::{Packed, TargetToken},
    params::Params,
    passes::Workspace,
};

use super::{Guard, GuardError, StepPosition, rows::anchors};
use crate::{
    model::{EngineBackend, Model},
    rows::EncodedRows,
};

/// Batches of anchors after which they come round again.
const BATCHES: usize = 25;
/// Probability of the rarest tokens that are left out of `π₀`, together.
const TAIL: f64 = 1e-4;

/// The guard.
pub(super) struct Kl {
    /// Batches of anchors, which take turns.
    batches: Vec<Anchors>,
    /// Weight of a nat of divergence in the loss: `β / (anchors · divisor)`.
    weight: f64,
    workspace: Workspace<EngineBackend>,
    records: Vec<GuardRecord>,
}

/// One batch.
struct Anchors {
    shards: Vec<Packed>,
    /// `π₀(token)` of every target of every shard.
    base: Vec<Vec<f32>>,
    /// `Σ π₀ log π₀`, nats.
    negentropy: f64,
    rows: usize,
}

impl Kl {
    /// The guard, with the model as it is now for `π₀`.
    ///
    /// # Errors
    /// Where an anchor cannot be encoded.
    pub(super) fn new(
        model: &Model,
        source: &Source,
        stage: &StagePlan,
        plan: &KlPlan,
        seed: u64,
    ) -> Result<Self, GuardError> {
        let batches = BATCHES.min(stage.steps);
        let rows = anchors(source, &plan.anchor, stage.domains, batches, seed);
        let rows = EncodedRows::encode(model, &rows)?;
        let order: Vec<usize> = (0..rows.len()).collect();
        let batches =
            order.chunks(plan.anchor.rows).map(|batch| Anchors::new(model, rows.pack(model, batch), batch.len()));
        let weight = plan.beta / (plan.anchor.rows as f64 * stage.divisor);
        Ok(Self { batches: batches.collect(), weight, workspace: Workspace::default(), records: Vec::new() })
    }
}

impl Anchors {
    fn new(model: &Model, mut shards: Vec<Packed>, rows: usize) -> Self {
        let (mut negentropy, mut base) = (0.0, Vec::new());
        for packed in &mut shards {
            let likeliest = model.decoder.likeliest(&model.params, packed, &mut Tape::default(), TAIL);
            let (mut targets, mut probabilities) = (Vec::new(), Vec::new());
            for (target, kept) in packed.targets.iter().zip(likeliest) {
                let mass: f64 = kept.iter().map(|(_, log_prob)| f64::from(*log_prob).exp()).sum();
                for (token, log_prob) in kept {
                    let probability = f64::from(log_prob).exp() / mass;
                    negentropy += probability * probability.ln();
                    targets.push(TargetToken { token, ..*target });
                    probabilities.push(probability as f32);
                }
            }
            packed.targets = targets;
            base.push(probabilities);
        }
        Self { shards, base, negentropy, rows }
    }
}

impl Guard for Kl {
    fn word(&self) -> &'static str {
        "kl"
    }

    fn pull(
        &mut self,
        model: &Model,
        _gradient: &Params<EngineBackend>,
        at: StepPosition,
    ) -> Option<Params<EngineBackend>> {
        let Anchors { shards, base, negentropy, rows } = &self.batches[at.step % self.batches.len()];
        let weigh = |base: &Vec<f32>| base.iter().map(|probability| probability * self.weight as f32).collect();
        let weights: Vec<Vec<f32>> = base.iter().map(weigh).collect();
        let (gradient, log_probs) = self.workspace.gradient(&model.decoder, &model.params, shards, &weights);
        let pairs = base.iter().flatten().zip(log_probs.into_iter().flatten());
        let cross: f64 = pairs.map(|(base, log_prob)| -f64::from(*base) * f64::from(*log_prob)).sum();
        self.records.push(GuardRecord {
            step: (at.before + at.step) as i64,
            guard: "kl".to_owned(),
            probe: String::new(),
            wanted_low: f64::NEG_INFINITY,
            wanted_high: f64::INFINITY,
            change: (cross + negentropy) / *rows as f64,
            multiplier: f64::NAN,
            bound: 1,
            moved: f64::NAN,
            push: f64::NAN,
            own: f64::NAN,
        });
        Some(gradient.clone())
    }

    fn records(&mut self) -> Vec<GuardRecord> {
        std::mem::take(&mut self.records)
    }
}
