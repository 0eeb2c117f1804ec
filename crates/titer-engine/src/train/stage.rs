//! The training of one stage: its rows, its guards, its optimiser, and its steps.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use titer::{
    plan::{OptimiserPlan, StagePlan},
    table::{LedgerRecord, StepRecord},
};
use titer_data::{chat::Row, source::Source};
use titer_model::{
    decoder::{Decoder, Detached},
    io::{save_adapter, save_optimiser},
    optim::{Booking, UpdateRule, clip_scale},
    packed::{Packed, TargetToken},
    passes::{Workspace, score},
};

use super::TrainError;
use crate::{
    drawn::{StageRows, rows_of_stage},
    guard::{Contradiction, Guards, StepPosition},
    inputs::Inputs,
    model::{ADAPTER, ADAPTER_CONFIG, EngineBackend, EngineOptimiser, Files, Model, OPTIMISER},
    pressure::Ledger,
    rows::{EncodedRows, PackedRows},
    vector::training_layers,
};

/// The rows of one stage and the state that their training needs.
pub(super) struct StageTraining {
    rows: EncodedRows,
    /// Rows whose replies the model has written, to be read, and how many had to be drawn more than once.
    pub(super) drawn: (Vec<Row>, usize),
    /// What rows are trained through: the model's layers, with the stage's vector and helper.
    pub(super) layers: Decoder<EngineBackend>,
    /// What movement is booked on: the cells of the rows in the order of their first row, and the guards where there are any.
    sources: Vec<String>,
    /// Which of them each row belongs to.
    groups: Vec<usize>,
    pub(super) guards: Guards,
    optimiser: EngineOptimiser,
    workspace: Workspace<EngineBackend>,
    /// Time in steps so far, guards included.
    pub(super) stepping: Duration,
    /// Tokens that the passes of the latest step read, prompts included.
    pub(super) tokens: usize,
}

impl StageTraining {
    pub(super) fn prepare(
        inputs: &Inputs,
        model: &Model,
        source: &Source,
        stage: &StagePlan,
        seed: u64,
    ) -> Result<Self, TrainError> {
        let fail = |problem| TrainError::Drawn { stage: stage.name.clone(), problem };
        let StageRows { rows, drawn, again } = rows_of_stage(model, source, stage, seed).map_err(fail)?;
        let (names, rows): (Vec<String>, Vec<Row>) = rows.into_iter().unzip();
        let rows = EncodedRows::encode(model, &rows)?;
        let mut sources: Vec<String> = Vec::new();
        let group = |name: &String| {
            sources.iter().position(|source| source == name).unwrap_or_else(|| {
                sources.push(name.clone());
                sources.len() - 1
            })
        };
        let groups = names.iter().map(group).collect();
        let fail = |problem| TrainError::Guard { stage: stage.name.clone(), problem };
        let guards = Guards::of_stage(model, source, stage, seed).map_err(fail)?;
        if !guards.is_empty() {
            sources.push(LedgerRecord::GUARDS.to_owned());
        }
        let given = inputs.given_vector(stage)?;
        let fail = |problem| TrainError::Vector { stage: stage.name.clone(), problem };
        let layers = training_layers(model, source, stage, given.as_ref(), seed).map_err(fail)?;
        let (backend, layout) = (model.decoder.backend(), &model.decoder.layout);
        let rule = rule(&stage.optimiser);
        let optimiser = EngineOptimiser::new(backend, layout, rule);
        let (workspace, stepping) = (Workspace::default(), Duration::ZERO);
        let drawn = (drawn, again);
        Ok(Self { rows, drawn, layers, sources, groups, guards, optimiser, workspace, stepping, tokens: 0 })
    }

    /// The same with these adapters attached to its passes.
    pub(super) fn beside(self, adapters: Detached<EngineBackend>) -> Self {
        Self { layers: self.layers.attached(adapters), ..self }
    }

    /// The first `count` of the rows whose replies the model has written, to be pressed; of no cell, since what they do is not known.
    pub(super) fn first_drawn(&self, model: &Model, count: usize) -> Result<PackedRows, TrainError> {
        let rows = self.drawn.0.iter().take(count).map(|row| Row { cell: None, ..row.clone() });
        Ok(PackedRows::encode(model, &rows.collect::<Vec<_>>())?)
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(String::as_str)
    }

    /// The mean surprise of its first `count` rows, nats a reply.
    pub(super) fn surprise(&self, model: &Model, count: usize) -> f64 {
        let shards = self.rows.pack(model, &(0..count).collect::<Vec<_>>());
        let scores = score(&self.layers, &model.params, &shards);
        -scores.iter().flatten().map(|&log_prob| f64::from(log_prob)).sum::<f64>() / count as f64
    }

    /// Step `step` of the stage, `before` steps into the run: the loss is the mean over the batch's rows of (nats of the
    /// row's target tokens / divisor), and what guards add. With a ledger the batch is cut between its sources, and the
    /// step booked on them.
    pub(super) fn step(
        &mut self,
        model: &mut Model,
        stage: &StagePlan,
        step: usize,
        before: usize,
        mut ledger: Option<&mut Ledger<'_>>,
    ) -> Result<StepRecord, TrainError> {
        let begin = Instant::now();
        let backend = model.decoder.backend().clone();
        let batch = step * stage.batch..(step + 1) * stage.batch;
        let weight = 1.0 / (stage.batch as f64 * stage.divisor);
        let lr = stage.lr(step);
        let at = StepPosition { step, steps: stage.steps, before, lr, weight };
        let fail = |problem: Contradiction| TrainError::Guard { stage: stage.name.clone(), problem: problem.into() };
        let count = if ledger.is_some() { self.sources.len() } else { 1 };
        let mut rows = vec![Vec::new(); count];
        for at in batch {
            rows[if count > 1 { self.groups[at] } else { 0 }].push(at);
        }
        let present = rows.iter().enumerate().filter(|(_, rows)| !rows.is_empty());
        let cut = present.map(|(group, rows)| (group, self.rows.pack(model, rows)));
        let (groups, shards): (Vec<usize>, Vec<Packed>) =
            cut.flat_map(|(group, shards)| shards.into_iter().map(move |shard| (group, shard))).unzip();
        self.guards.look(model, at);
        let row_weights = self.guards.weigh(model, &self.layers, &self.optimiser, &shards, at).map_err(fail)?;
        let weights = target_weights(&shards, weight, row_weights.as_deref());
        let gradient = self.workspace.gradient_by_group(&self.layers, &model.params, &shards, &weights, &groups, count);
        let nats: f64 =
            gradient.log_probs.iter().flat_map(|shard| shard.iter()).map(|&log_prob| -f64::from(log_prob)).sum();
        let pulled = self.guards.pull(model, gradient.total, at);
        let total = pulled.as_ref().map(|pulled| {
            let mut total = gradient.total.clone();
            total.add_scaled(&backend, 1.0, pulled);
            total
        });
        let total = total.as_ref().unwrap_or(gradient.total);
        let (loss, gradient_norm, done) = (nats * weight, total.norm(&backend), before + step + 1);
        if !(loss + gradient_norm).is_finite() {
            return Err(TrainError::Diverged { stage: stage.name.clone(), step: done, loss });
        }
        let kept = clip_scale(gradient_norm, stage.clip);
        let mut gradients = gradient.groups.clone();
        // What guards pull is booked on the last source, which is theirs.
        if let Some(pulled) = &pulled {
            gradients[count - 1] = Some(pulled);
        }
        let old = self.guards.redirect_any().then(|| model.params.moving(&model.decoder.layout));
        let booking = ledger.as_mut().map(|ledger| {
            let counts: Vec<usize> = rows.iter().map(Vec::len).collect();
            Booking { shares: ledger.book(&counts), gradients: &gradients }
        });
        self.optimiser.step_with_shares(&backend, &mut model.params, total, kept, lr, booking);
        if let Some(old) = old {
            let mut proposed = model.params.moving(&model.decoder.layout);
            proposed.add_scaled(&backend, -1.0, &old);
            let moved = self.guards.redirect(model, &self.optimiser, proposed, at).map_err(fail)?;
            if let (Some(ledger), Some(moved)) = (ledger, moved) {
                ledger.book(&[]).book_move(&backend, self.sources.len() - 1, 1.0, &moved);
            }
        }
        self.stepping += begin.elapsed();
        self.tokens = shards.iter().map(|packed| packed.tokens.len()).sum();
        let tokens = shards.iter().map(|packed| packed.targets.len() as i64).sum();
        Ok(StepRecord { stage: stage.name.clone(), step: done as i64, loss, lr, gradient_norm, clip: kept, tokens })
    }

    /// Saves the model as it is now, with the optimiser's state: as a folder that opens like the one it came from, or its
    /// adapters alone in PEFT's layout.
    pub(super) fn save(&self, files: &Files, model: &Model, folder: &Path) -> Result<(), TrainError> {
        match &model.lora {
            None => files.with_weights_of(model).write(folder)?,
            Some(lora) => {
                fs_err::create_dir_all(folder)?;
                let (backend, layout) = (model.decoder.backend(), &model.decoder.layout);
                let (config, weights) = save_adapter(backend, lora, layout, &model.params, &files.name());
                fs_err::write(folder.join(ADAPTER_CONFIG), config)?;
                fs_err::write(folder.join(ADAPTER), weights)?;
            }
        }
        let state = save_optimiser(model.decoder.backend(), &model.decoder.layout, &self.optimiser);
        Ok(fs_err::write(folder.join(OPTIMISER), state)?)
    }
}

/// The weight of every target of every shard: `weight`, times that of its row where rows have their own.
fn target_weights(shards: &[Packed], weight: f64, rows: Option<&[f64]>) -> Vec<Vec<f32>> {
    let mut before = 0;
    let of_shard = |packed: &Packed| {
        let of_row = |target: &TargetToken| rows.map_or(1.0, |rows| rows[before + target.reply as usize]);
        let weights = packed.targets.iter().map(|target| (weight * of_row(target)) as f32).collect();
        before += packed.replies as usize;
        weights
    };
    shards.iter().map(of_shard).collect()
}

/// The engine's update rule of a planned optimiser.
fn rule(optimiser: &OptimiserPlan) -> UpdateRule {
    match *optimiser {
        OptimiserPlan::Sgd { momentum, .. } => UpdateRule::Sgd { momentum },
        OptimiserPlan::AdamW { beta1, beta2, eps, weight_decay, .. } => {
            UpdateRule::AdamW { beta1, beta2, eps, weight_decay }
        }
    }
}
