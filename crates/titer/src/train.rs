//! One run: train a model through its stages, measure it along the way, write its tables.

use std::collections::BTreeMap;

use titer_data::{
    cell::Cell,
    tokenize::{Encoded, TokenizeError, encode_row},
    world::World,
};
use titer_model::{
    optim::{Decay, Optimiser, Rule, Schedule, clip_scale},
    parallel::Workspace,
};

use crate::{
    batch::pack,
    exec::{Progress, Runner},
    model::{Backend, Files, Model, ModelError},
    plan::{self, RunPlan, StagePlan},
    probe::{Moment, Probes},
    store::RunDir,
    table::{self, CellRecord, ProbeRecord, StepRecord},
};

/// Why a run could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The model cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The model is not the one that was planned for.
    #[error("the model behind `{base}` has changed since the run was planned; run the command again")]
    ModelChanged {
        /// What the spec calls it.
        base: String,
    },
    /// Rows come from a world that the model does not have.
    #[error(
        "`{base}` is no organism, so it has no world to make rows; use `organism` or a folder that `titer organism train` made"
    )]
    NoWorld {
        /// What the spec calls it.
        base: String,
    },
    /// A row or contrast cannot be encoded.
    #[error(transparent)]
    Tokenize(#[from] TokenizeError),
    /// A row needs more positions than the model has.
    #[error("row `{id}` has {tokens} tokens; the model has {limit} positions")]
    TooLong {
        /// The row.
        id: String,
        /// Its length.
        tokens: usize,
        /// What fits.
        limit: usize,
    },
    /// Training went astray.
    #[error("the loss is {loss} at step {step} of stage `{stage}`: lower the learning rate or clip the gradient")]
    Diverged {
        /// Which stage.
        stage: String,
        /// Optimiser steps since the run began.
        step: usize,
        /// The loss found.
        loss: f64,
    },
    /// A table or event could not be written.
    #[error(transparent)]
    Table(#[from] table::TableError),
    /// The run folder could not be written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Trains and measures with titer's own engine.
#[derive(Clone, Copy, Debug, Default)]
pub struct EngineRunner;

impl Runner for EngineRunner {
    type Error = TrainError;

    fn run(&self, plan: &RunPlan, dir: &RunDir, progress: &dyn Progress) -> Result<(), TrainError> {
        let files = Files::find(&plan.model.base, plan.seed)?;
        if files.hash()? != plan.model.blake3 {
            return Err(TrainError::ModelChanged { base: plan.model.base.clone() });
        }
        let mut model = Model::from_files(&files)?;
        let world = model.world.clone().ok_or_else(|| TrainError::NoWorld { base: plan.model.base.clone() })?;
        let probes = Probes::of_world(&model, &world, plan.seed, plan.probes.items)?;
        let mut tables = Tables::default();
        tables.measure(&probes, &model, Moment { stage: "base", step: 0 });
        let mut done = 0;
        for stage in &plan.stages {
            let mut lesson = Lesson::prepare(&model, &world, stage, plan.seed)?;
            for step in 0..stage.steps {
                let record = lesson.step(&mut model, stage, step, done + step + 1)?;
                progress.step(record.loss);
                tables.steps.push(record);
                let last = step + 1 == stage.steps;
                if last || (plan.probes.every > 0 && (step + 1) % plan.probes.every == 0) {
                    tables.measure(&probes, &model, Moment { stage: &stage.name, step: done + step + 1 });
                }
            }
            done += stage.steps;
        }
        tables.write(dir)
    }
}

/// What a run writes.
#[derive(Debug, Default)]
struct Tables {
    probes: Vec<ProbeRecord>,
    cells: Vec<CellRecord>,
    steps: Vec<StepRecord>,
}

impl Tables {
    fn measure(&mut self, probes: &Probes, model: &Model, at: Moment<'_>) {
        self.probes.extend(probes.measure(model, at));
        self.cells.extend(probes.surprise(model, at));
    }

    fn write(&self, dir: &RunDir) -> Result<(), TrainError> {
        table::write(&dir.path("probes.parquet"), &self.probes)?;
        table::write(&dir.path("cells.parquet"), &self.cells)?;
        table::write(&dir.path("steps.parquet"), &self.steps)?;
        Ok(())
    }
}

/// The rows of one stage and the state that their training needs.
struct Lesson {
    rows: Vec<Encoded>,
    optimiser: Optimiser<Backend>,
    schedule: Schedule,
    workspace: Workspace<Backend>,
}

impl Lesson {
    fn prepare(model: &Model, world: &World, stage: &StagePlan, seed: u64) -> Result<Self, TrainError> {
        let slots: Vec<Cell> = stage.mix.slots(stage.rows, seed);
        let limit = model.decoder.config.max_position_embeddings;
        let encode = |(slot, &cell): (usize, &Cell)| {
            let row = world.row(cell, stage.domains, seed, slot as u64);
            let encoded = encode_row(&model.template, &model.tokenizer, &row)?;
            if encoded.tokens.len() > limit {
                return Err(TrainError::TooLong { id: row.id, tokens: encoded.tokens.len(), limit });
            }
            Ok(encoded)
        };
        let rows = slots.iter().enumerate().map(encode).collect::<Result<_, _>>()?;
        let (backend, layout) = (model.decoder.backend(), &model.decoder.layout);
        let (rule, lr) = rule(&stage.optimiser);
        let schedule = &stage.schedule;
        let schedule = Schedule {
            peak: lr,
            warmup: schedule.warmup,
            steps: stage.steps,
            decay: match schedule.decay {
                plan::Decay::None => Decay::None,
                plan::Decay::Linear => Decay::Linear,
                plan::Decay::Cosine => Decay::Cosine,
            },
            floor: schedule.floor,
        };
        let optimiser = Optimiser::new(backend, layout, rule);
        Ok(Self { rows, optimiser, schedule, workspace: Workspace::default() })
    }

    /// Step `step` of the stage, which is step `total` of the run: the loss is the mean over the batch's rows of
    /// (nats of the row's target tokens / divisor).
    fn step(
        &mut self,
        model: &mut Model,
        stage: &StagePlan,
        step: usize,
        total: usize,
    ) -> Result<StepRecord, TrainError> {
        let backend = *model.decoder.backend();
        let shards = pack(&self.rows[step * stage.batch..(step + 1) * stage.batch]);
        let weight = 1.0 / (stage.batch as f64 * stage.divisor);
        let weights: Vec<_> = shards.iter().map(|packed| vec![weight as f32; packed.targets.len()]).collect();
        let (gradient, log_probs) = self.workspace.gradient(&model.decoder, &model.params, &shards, &weights);
        let nats: f64 = log_probs.iter().flat_map(|shard| shard.iter()).map(|&log_prob| -f64::from(log_prob)).sum();
        let (loss, grad_norm) = (nats * weight, gradient.norm(&backend));
        if !(loss + grad_norm).is_finite() {
            return Err(TrainError::Diverged { stage: stage.name.clone(), step: total, loss });
        }
        let (kept, lr) = (clip_scale(grad_norm, stage.clip), self.schedule.at(step));
        self.optimiser.step(&backend, &mut model.params, gradient, kept, lr);
        let tokens = shards.iter().map(|packed| packed.targets.len() as i64).sum();
        Ok(StepRecord { stage: stage.name.clone(), step: total as i64, loss, lr, grad_norm, clip: kept, tokens })
    }
}

/// The engine's update rule of a planned optimiser, and its learning rate.
fn rule(optimiser: &plan::Optimiser) -> (Rule, f64) {
    match *optimiser {
        plan::Optimiser::Sgd { lr, momentum } => (Rule::Sgd { momentum }, lr),
        plan::Optimiser::AdamW { lr, beta1, beta2, eps, weight_decay } => {
            (Rule::AdamW { beta1, beta2, eps, weight_decay }, lr)
        }
    }
}

/// The planned model behind `base` for a seed: found, readable, and with a world to make rows from.
///
/// # Errors
/// Where a run could not start with it.
pub fn plan_model(base: &str, seed: u64) -> Result<plan::ModelPlan, TrainError> {
    let files = Files::find(base, seed)?;
    let model = Model::from_files(&files)?;
    if model.world.is_none() {
        return Err(TrainError::NoWorld { base: base.to_owned() });
    }
    Ok(plan::ModelPlan { base: base.to_owned(), blake3: files.hash()? })
}

/// The first row that each cell of these stages would train on, as the model's tokens, those that carry loss in `[]`.
///
/// # Errors
/// As [`plan_model`].
pub fn examples(base: &str, seed: u64, stages: &[StagePlan]) -> Result<BTreeMap<Cell, String>, TrainError> {
    let model = Model::open(base, seed)?;
    let world = model.world.as_ref().ok_or_else(|| TrainError::NoWorld { base: base.to_owned() })?;
    let mut shown = BTreeMap::new();
    for stage in stages {
        for (slot, &cell) in stage.mix.slots(stage.rows, seed).iter().enumerate() {
            if shown.contains_key(&cell) {
                continue;
            }
            let row = world.row(cell, stage.domains, seed, slot as u64);
            let encoded = encode_row(&model.template, &model.tokenizer, &row)?;
            let token = |(&id, &trained): (&u32, &bool)| {
                let token = model.tokenizer.token(id).unwrap_or_default();
                if trained { format!("[{token}]") } else { token }
            };
            let tokens: Vec<String> = encoded.tokens.iter().zip(&encoded.trained).map(token).collect();
            shown.insert(cell, tokens.join(" "));
        }
    }
    Ok(shown)
}
