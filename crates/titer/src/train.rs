//! One run: train a model through its stages, measure it along the way, write its tables.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serde_json::json;
use titer_data::{
    candidate::{Candidate, Turn},
    grid::variations,
    source::{ChatsError, Source},
    tokenize::TokenizeError,
    world::ProbeUse,
};
use titer_model::{
    io::{save_adapter, save_optimiser},
    optim::{Decay, Rule, Schedule, clip_scale},
    packed::{Packed, Target},
    parallel::{Workspace, score},
    shares::Booking,
};

use crate::{
    exec::{Progress, Runner},
    guard::{At, Contradiction, GuardError, Guards, rows},
    inputs::prepare,
    leak::LeakGrid,
    model::{ADAPTER, ADAPTER_CONFIG, Backend, Files, Model, ModelError, OPTIMISER, Optimiser},
    plan::{self, Arm, LeakPlan, RunPlan, StagePlan},
    pressure::{Ledger, LedgerMargins, Margins, Rows, RowsError, Warnings},
    probe::{Moment, Probes},
    screen::{Subjects, SubjectsError, screen},
    store::RunDir,
    table::{
        self, CellRecord, GuardRecord, LeakRecord, LedgerRecord, PressureRecord, ProbeRecord, Record as _,
        ScreenRecord, StepRecord, WarningRecord,
    },
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
        "`{base}` is no organism, so it has no world to make rows; name your own in [data], or use `organism` or a folder that \
         `titer organism train` made"
    )]
    NoWorld {
        /// What the spec calls it.
        base: String,
    },
    /// The user's rows or contrasts cannot be used.
    #[error(transparent)]
    Chats(#[from] ChatsError),
    /// They are not those that were planned for.
    #[error("one of {names} has changed since the run was planned; run the command again")]
    DataChanged {
        /// The files of rows and contrasts.
        names: String,
    },
    /// A row or contrast cannot be encoded.
    #[error(transparent)]
    Tokenize(#[from] TokenizeError),
    /// A row cannot be trained on.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// Rows on which no prompt can be measured.
    #[error(transparent)]
    Subjects(#[from] SubjectsError),
    /// A guard cannot work.
    #[error("stage `{stage}`: {problem}")]
    Guard {
        /// Which stage.
        stage: String,
        /// Why not.
        problem: GuardError,
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
pub struct EngineRunner {
    /// The commit that the program was built from, where that is known.
    pub commit: Option<&'static str>,
}

impl Runner for EngineRunner {
    type Error = TrainError;

    fn commit(&self) -> Option<&str> {
        self.commit
    }

    fn run(&self, plan: &RunPlan, dir: &RunDir, progress: &dyn Progress) -> Result<(), TrainError> {
        let (files, mut model, source) = prepare(plan)?;
        let probes = Probes::of_source(&model, &source, plan.seed, plan.probes.items)?;
        let margins = (!plan.pressure.is_never())
            .then(|| LedgerMargins::of_source(&model, &source, plan.seed, plan.probes.items))
            .transpose()?;
        let mut tables = Tables::default();
        let grid = plan.leak.as_ref().map(|leak| leak_grid(&model, &source, leak, plan)).transpose()?;
        let leaks = |model: &Model, at| grid.as_ref().map_or_else(Vec::new, |grid| grid.measure(model, at));
        tables.leaks.extend(leaks(&model, Moment { stage: "base", step: 0 }));
        if let Some(prompt) = Arm::inoculation_prompt(&plan.stages).filter(|_| plan.screen) {
            tables.screened = screened(&model, &source, prompt, plan)?;
        }
        tables.measure(&probes, &model, Moment { stage: "base", step: 0 });
        let mut done = 0;
        for stage in &plan.stages {
            if stage.steps == 0 {
                continue;
            }
            let mut lesson = Lesson::prepare(&model, &source, stage, plan.seed)?;
            let sources = || lesson.sources().map(str::to_owned);
            let mut ledger =
                margins.as_ref().map(|margins| Ledger::open(margins, &model, &stage.name, sources(), done));
            // Overlap is noisier than what is measured elsewhere, so it takes twice the contrasts.
            let items = 2 * plan.probes.items;
            let warnings = Warnings::of_source(&model, &source, stage.domains, plan.seed, items)?;
            tables.warn(&warnings, &lesson, &model, stage, done);
            if let Some(ledger) = ledger.as_ref().filter(|_| done == 0) {
                tables.press(&probes, ledger, &model, Moment { stage: "base", step: 0 });
            }
            for step in 1..=stage.steps {
                let record = lesson.step(&mut model, stage, step - 1, done, ledger.as_mut())?;
                progress.step(record.loss);
                tables.steps.push(record);
                let at = Moment { stage: &stage.name, step: done + step };
                if step == stage.steps || (plan.probes.every > 0 && step.is_multiple_of(plan.probes.every)) {
                    tables.measure(&probes, &model, at);
                }
                if let Some(ledger) = ledger.as_mut().filter(|_| plan.pressure.is_due(step, stage.steps)) {
                    ledger.close(&model, done + step);
                    tables.press(&probes, ledger, &model, at);
                }
                if plan.checkpoints.is_due(step, stage.steps) {
                    lesson.save(&files, &model, &dir.path(&format!("checkpoint-{}", done + step)))?;
                }
            }
            tables.ledger.extend(ledger.map(Ledger::finish).unwrap_or_default());
            tables.guards.extend(lesson.guards.records());
            let stepping = lesson.stepping.as_secs_f64();
            let spent: serde_json::Map<_, _> =
                lesson.guards.spent().map(|(guard, spent)| (guard.to_owned(), spent.as_secs_f64().into())).collect();
            dir.event("stage", json!({ "stage": stage.name, "step_seconds": stepping, "guard_seconds": spent }))?;
            done += stage.steps;
            if done == plan.steps() {
                tables.leaks.extend(leaks(&model, Moment { stage: &stage.name, step: done }));
            }
        }
        tables.write(dir, margins.is_some())
    }
}

/// What a run writes.
#[derive(Debug, Default)]
struct Tables {
    probes: Vec<ProbeRecord>,
    cells: Vec<CellRecord>,
    steps: Vec<StepRecord>,
    pressures: Vec<PressureRecord>,
    ledger: Vec<LedgerRecord>,
    leaks: Vec<LeakRecord>,
    screened: Vec<ScreenRecord>,
    guards: Vec<GuardRecord>,
    warnings: Vec<WarningRecord>,
}

impl Tables {
    fn measure(&mut self, probes: &Probes, model: &Model, at: Moment<'_>) {
        self.probes.extend(probes.measure(model, at));
        self.cells.extend(probes.surprise(model, at));
    }

    /// What can be said about a stage before it trains, after `step` steps of the run.
    fn warn(&mut self, warnings: &Warnings, lesson: &Lesson, model: &Model, stage: &StagePlan, step: usize) {
        let warning = warnings.take(model);
        let rows = stage.rows.min(warning.contrasts);
        self.warnings.push(WarningRecord {
            stage: stage.name.clone(),
            step: step as i64,
            domains: stage.domains.word().to_owned(),
            contrasts: warning.contrasts as i64,
            headroom: warning.headroom,
            overlap: warning.overlap,
            rows: rows as i64,
            surprise: lesson.surprise(model, rows),
        });
    }

    fn press(&mut self, probes: &Probes, ledger: &Ledger<'_>, model: &Model, at: Moment<'_>) {
        self.pressures.extend(ledger.directions().pressures(model, probes.cells(), at));
    }

    fn write(&self, dir: &RunDir, pressed: bool) -> Result<(), TrainError> {
        table::write(&dir.path("probes.parquet"), &self.probes)?;
        table::write(&dir.path("cells.parquet"), &self.cells)?;
        table::write(&dir.path("steps.parquet"), &self.steps)?;
        if !self.leaks.is_empty() {
            table::write(&dir.path(LeakRecord::FILE), &self.leaks)?;
        }
        if !self.screened.is_empty() {
            table::write(&dir.path(ScreenRecord::FILE), &self.screened)?;
        }
        table::write(&dir.path("warnings.parquet"), &self.warnings)?;
        if pressed {
            table::write(&dir.path("pressures.parquet"), &self.pressures)?;
            table::write(&dir.path("ledger.parquet"), &self.ledger)?;
        }
        if !self.guards.is_empty() {
            table::write(&dir.path("guards.parquet"), &self.guards)?;
        }
        Ok(())
    }
}

/// The rows of one stage and the state that their training needs.
struct Lesson {
    rows: Rows,
    /// What movement is booked on: the cells of the rows in the order of their first row, and the guards where there are any.
    sources: Vec<String>,
    /// Which of them each row belongs to.
    groups: Vec<usize>,
    guards: Guards,
    optimiser: Optimiser,
    schedule: Schedule,
    workspace: Workspace<Backend>,
    /// Time in steps so far, guards included.
    stepping: Duration,
}

impl Lesson {
    fn prepare(model: &Model, source: &Source, stage: &StagePlan, seed: u64) -> Result<Self, TrainError> {
        let (names, rows): (Vec<String>, Vec<_>) = rows::of_stage(source, stage, seed).into_iter().unzip();
        let rows = Rows::encode(model, &rows)?;
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
        let (workspace, stepping) = (Workspace::default(), Duration::ZERO);
        Ok(Self { rows, sources, groups, guards, optimiser, schedule, workspace, stepping })
    }

    fn sources(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(String::as_str)
    }

    /// The mean surprise of its first `count` rows, nats a reply.
    fn surprise(&self, model: &Model, count: usize) -> f64 {
        let shards = self.rows.pack(model, &(0..count).collect::<Vec<_>>());
        let scores = score(&model.decoder, &model.params, &shards);
        -scores.iter().flatten().map(|&log_prob| f64::from(log_prob)).sum::<f64>() / count as f64
    }

    /// Step `step` of the stage, `before` steps into the run: the loss is the mean over the batch's rows of (nats of the
    /// row's target tokens / divisor), and what guards add. With a ledger the batch is cut between its sources, and the
    /// step booked on them.
    fn step(
        &mut self,
        model: &mut Model,
        stage: &StagePlan,
        step: usize,
        before: usize,
        mut ledger: Option<&mut Ledger<'_>>,
    ) -> Result<StepRecord, TrainError> {
        let begin = Instant::now();
        let backend = *model.decoder.backend();
        let batch = step * stage.batch..(step + 1) * stage.batch;
        let weight = 1.0 / (stage.batch as f64 * stage.divisor);
        let lr = self.schedule.at(step);
        let at = At { step, steps: stage.steps, before, lr, weight };
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
        let row_weights = self.guards.weigh(model, &self.optimiser, &shards, at).map_err(fail)?;
        let weights = target_weights(&shards, weight, row_weights.as_deref());
        let found = self.workspace.gradient_by_group(&model.decoder, &model.params, &shards, &weights, &groups, count);
        let nats: f64 = found.log_probs.iter().flat_map(|shard| shard.iter()).map(|&one| -f64::from(one)).sum();
        let pulled = self.guards.pull(model, found.total, at);
        let total = pulled.as_ref().map(|pulled| {
            let mut total = found.total.clone();
            total.add_scaled(&backend, 1.0, pulled);
            total
        });
        let total = total.as_ref().unwrap_or(found.total);
        let (loss, grad_norm, done) = (nats * weight, total.norm(&backend), before + step + 1);
        if !(loss + grad_norm).is_finite() {
            return Err(TrainError::Diverged { stage: stage.name.clone(), step: done, loss });
        }
        let kept = clip_scale(grad_norm, stage.clip);
        let mut gradients = found.groups.clone();
        // What guards pull is booked on the last source, which is theirs.
        if let Some(pulled) = &pulled {
            gradients[count - 1] = Some(pulled);
        }
        let old = self.guards.redirect_any().then(|| model.params.clone());
        let booking = ledger.as_mut().map(|ledger| {
            let counts: Vec<usize> = rows.iter().map(Vec::len).collect();
            Booking { shares: ledger.book(&counts), gradients: &gradients }
        });
        self.optimiser.step_with_shares(&backend, &mut model.params, total, kept, lr, booking);
        if let Some(old) = old {
            let mut proposed = model.params.clone();
            proposed.add_scaled(&backend, -1.0, &old);
            let moved = self.guards.redirect(model, &self.optimiser, proposed, at).map_err(fail)?;
            if let (Some(ledger), Some(moved)) = (ledger, moved) {
                ledger.book(&[]).book_move(&backend, self.sources.len() - 1, 1.0, &moved);
            }
        }
        self.stepping += begin.elapsed();
        let tokens = shards.iter().map(|packed| packed.targets.len() as i64).sum();
        Ok(StepRecord { stage: stage.name.clone(), step: done as i64, loss, lr, grad_norm, clip: kept, tokens })
    }

    /// Saves the model as it is now, with the optimiser's state: as a folder that opens like the one it came from, or its
    /// adapters alone in PEFT's layout.
    fn save(&self, files: &Files, model: &Model, folder: &Path) -> Result<(), TrainError> {
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
        let of_row = |target: &Target| rows.map_or(1.0, |rows| rows[before + target.reply as usize]);
        let weights = packed.targets.iter().map(|target| (weight * of_row(target)) as f32).collect();
        before += packed.replies as usize;
        weights
    };
    shards.iter().map(of_shard).collect()
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

/// The leak grid of a run, on requests that no training slot gets.
fn leak_grid(model: &Model, source: &Source, leak: &LeakPlan, plan: &RunPlan) -> Result<LeakGrid, TrainError> {
    let subjects = Subjects::of_source(source, plan.seed, plan.probes.items)?;
    let prompt = Candidate { trigger: leak.trigger.clone(), ..Candidate::new(&*leak.prompt) };
    Ok(LeakGrid::new(model, &variations(&prompt, model.world.as_ref()), &subjects)?)
}

/// What the prompt of a run's `bad→bad` rows does before training: its score as a system prompt, and pressures under it.
fn screened(
    model: &Model,
    source: &Source,
    prompt: &Candidate,
    plan: &RunPlan,
) -> Result<Vec<ScreenRecord>, TrainError> {
    let subjects = Subjects::of_source(source, plan.seed, plan.probes.items)?;
    let margins = Margins::of_source(model, source, ProbeUse::Gradient, plan.seed, plan.probes.items)?;
    let (prompts, directions) = ([prompt.clone()], margins.directions(model));
    Ok(screen(model, &subjects, &prompts, &[Turn::System], Some(&directions), &|| ())?.records)
}
