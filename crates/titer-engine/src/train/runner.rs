//! One run: train a model through its stages, measure it along the way, write its tables.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value, json};
use titer::{
    exec::{Progress, Runner},
    plan::{LeakPlan, ModelPlan, RunPlan, StagePlan},
    store::RunDir,
    table::{LeakRecord, ScreenRecord},
};
use titer_data::{
    grid::variations,
    probe::Component,
    prompt::{CandidatePrompt, Turn},
    source::Source,
    world::ProbeUse,
};
use titer_model::decoder::Detached;

use super::{
    Helper, StageTraining, TrainError,
    standing::Standing,
    tables::{Tables, pressures},
};
use crate::{
    device::{self, Stay},
    inputs::Inputs,
    leak::LeakGrid,
    model::{EngineBackend, Files, Model},
    pressure::{Ledger, LedgerMargins, Margins, Pressing, Warnings},
    probe::{Moment, Probes},
    rows::PackedRows,
    scoring::Scoring,
    screen::{Subjects, screen},
};

/// Before anything is trained.
const BASE: Moment<'static> = Moment { stage: "base", step: 0 };

/// Trains and measures with titer's own engine, on models and rows that the runs of a command share.
#[derive(Clone, Copy, Debug)]
pub struct EngineRunner<'a> {
    /// What runs start from.
    pub inputs: &'a Inputs,
    /// The commit that the program was built from, where that is known.
    pub commit: Option<&'static str>,
}

impl<'a> EngineRunner<'a> {
    /// A runner of a program of which no commit is known.
    pub fn new(inputs: &'a Inputs) -> Self {
        Self { inputs, commit: None }
    }
}

impl Runner for EngineRunner<'_> {
    type Error = TrainError;

    fn commit(&self) -> Option<&str> {
        self.commit
    }

    fn run(&self, plan: &RunPlan, dir: &RunDir, progress: &dyn Progress) -> Result<(), TrainError> {
        device::guarded(|| self.train(plan, dir, progress))?
    }
}

impl EngineRunner<'_> {
    fn train(&self, plan: &RunPlan, dir: &RunDir, progress: &dyn Progress) -> Result<(), TrainError> {
        // As the sweep's other runs have them, whichever device this one is given.
        let beginnings = plan.beginnings();
        let stay = Stay::on(plan.model.device);
        let plan = &RunPlan { model: ModelPlan { device: stay.device, ..plan.model.clone() }, ..plan.clone() };
        let (files, model, source) = self.inputs.prepare(plan)?;
        if let Some(mut device) = device::described(model.decoder.backend()) {
            let beside = model.beside_device();
            beside.iter().for_each(|sentence| progress.note(sentence));
            device["weights"] = beside.into();
            dir.event("device", device)?;
        }
        let screened = match plan.screened_prompt() {
            Some(prompt) => screened(&model, &source, &prompt, plan)?,
            None => Vec::new(),
        };
        let probes = Probes::of_source(&model, &source, plan.seed, plan.probes.items)?;
        let margins = (!plan.pressure.is_never())
            .then(|| LedgerMargins::of_source(&model, &source, plan.seed, plan.probes.items))
            .transpose()?;
        let grid = plan.leak.as_ref().map(|leak| leak_grid(&model, &source, leak, plan)).transpose()?;
        let inputs = self.inputs;
        let run = RunUnderWay { inputs, plan, beginnings, dir, progress, files, source, probes, margins, grid };
        let mut standing = match run.taken_over(&model)? {
            Some(standing) => standing,
            None => run.at_base(model),
        };
        progress.taken_over(plan.steps_until(standing.done));
        for stage in run.stages_from(standing.done) {
            run.train(&mut standing, stage)?;
            run.keep(&standing)?;
        }
        if let Some(last) = plan.stages.iter().rfind(|stage| stage.steps > 0) {
            let leaks = run.leaks(&standing.model, Moment { stage: &last.name, step: standing.done });
            standing.tables.leaks.extend(leaks);
        }
        Tables { screened, ..standing.tables }.write(dir, run.margins.is_some())
    }
}

/// A run, and what it is measured with.
struct RunUnderWay<'a> {
    inputs: &'a Inputs,
    plan: &'a RunPlan,
    /// See [`RunPlan::beginnings`].
    beginnings: Vec<RunPlan>,
    dir: &'a RunDir,
    progress: &'a dyn Progress,
    files: Arc<Files>,
    source: Arc<Source>,
    probes: Probes,
    /// Where a ledger is kept.
    margins: Option<LedgerMargins>,
    grid: Option<LeakGrid>,
}

impl RunUnderWay<'_> {
    /// What a run that begins alike has left, or this one before it was cut off: the longest of its beginnings. None where there is
    /// none, or it cannot be read.
    fn taken_over(&self, model: &Model) -> Result<Option<Standing>, TrainError> {
        let kept = self.dir.beginnings();
        let found = self.beginnings.iter().rev().find_map(|plan| Some((kept.find(plan)?, plan)));
        let Some((folder, beginning)) = found else { return Ok(None) };
        let (steps, name) = (beginning.steps(), folder.file_name().unwrap_or_default().to_string_lossy());
        match Standing::load(model.clone(), steps, self.dir, &folder) {
            Ok(standing) => {
                self.dir.event("taken over", json!({ "steps": steps, "beginning": name }))?;
                Ok(Some(standing))
            }
            // It may have been removed this moment; then the run trains it itself.
            Err(problem) => {
                self.dir.event("not taken over", json!({ "beginning": name, "problem": problem.to_string() }))?;
                Ok(None)
            }
        }
    }

    /// Keeps what the run has behind a stage for those that begin alike, and for itself should it be cut off.
    fn keep(&self, standing: &Standing) -> Result<(), TrainError> {
        let Some(beginning) = self.beginnings.iter().find(|plan| plan.steps() == standing.done) else {
            return Ok(());
        };
        let kept = self.dir.beginnings().keep(beginning, |folder| standing.save(self.dir, folder));
        // The run can do without, such as where the disk is full.
        kept.or_else(|problem| Ok(self.dir.event("not kept", json!({ "problem": problem.to_string() }))?))
    }

    /// The stages to train behind so many optimiser steps, where one begins.
    fn stages_from(&self, done: usize) -> impl Iterator<Item = &StagePlan> {
        let mut before = 0;
        let ahead = move |stage: &&StagePlan| {
            let starts = before;
            before += stage.steps;
            starts >= done && stage.steps > 0
        };
        self.plan.stages.iter().filter(ahead)
    }

    fn leaks(&self, model: &Model, at: Moment<'_>) -> Vec<LeakRecord> {
        self.grid.as_ref().map_or_else(Vec::new, |grid| grid.measure(model, at))
    }

    /// The run before anything is trained, measured.
    fn at_base(&self, model: Model) -> Standing {
        let (inputs, plan, probes) = (self.inputs, self.plan, &self.probes);
        let mut standing = Standing::new(model);
        let Standing { model, tables, .. } = &mut standing;
        tables.leaks.extend_from_slice(&inputs.leaks_of_base(plan, || self.leaks(model, BASE)));
        tables.add(&inputs.of_base(plan, || probes.measured(model, BASE)));
        if let Some(margins) = self.margins.as_ref().filter(|_| plan.steps() == 0) {
            // Nothing is trained, so no stage opens a ledger; what rows push is known all the same.
            let ledger = || Ledger::open(margins, model, BASE.stage, std::iter::empty(), 0);
            let press = || pressures(&ledger(), &model.decoder, model, probes.cells(), BASE);
            tables.pressures.extend_from_slice(&inputs.pressures_of_base(plan, press));
        }
        standing
    }

    /// Trains a stage, and measures along the way.
    fn train(&self, standing: &mut Standing, stage: &StagePlan) -> Result<(), TrainError> {
        let (plan, dir, source, probes) = (self.plan, self.dir, &*self.source, &self.probes);
        let Standing { model, tables, drawn: drawn_file, done } = standing;
        let before = *done;
        let mut training = StageTraining::prepare(self.inputs, model, source, stage, plan.seed)?;
        drawn_file.add(dir, &stage.name, &training.drawn.0, training.drawn.1)?;
        if let Some(helper) = &stage.helper {
            let Helper { adapters, losses, drawn, stepping } =
                Helper::make(self.inputs, model, source, helper, plan.seed, self.progress)?;
            let trained = helper.train().map_or("", |train| &train.name);
            drawn_file.add(dir, trained, &drawn.0, drawn.1)?;
            training = training.beside(adapters.clone());
            dir.event("helper", helped(model, source, plan, stage, adapters, &losses, stepping)?)?;
        }
        let margins = self.margins.as_ref();
        let is_pressed = margins.is_some() && !training.drawn.0.is_empty();
        let drawn = is_pressed.then(|| training.first_drawn(model, plan.probes.items)).transpose()?;
        let sources = || training.sources().map(str::to_owned);
        let mut ledger = margins.map(|margins| Ledger::open(margins, model, &stage.name, sources(), before));
        // Overlap is noisier than what is measured elsewhere, so it takes twice the contrasts.
        let warnings = Warnings::of_source(model, source, stage.domains, plan.seed, 2 * plan.probes.items)?;
        let warning = match before {
            0 => self.inputs.warning_of_base(plan, stage.domains, || warnings.take(model)),
            _ => warnings.take(model),
        };
        tables.warn(warning, &training, model, stage, before);
        if let Some(ledger) = ledger.as_ref().filter(|_| before == 0) {
            let press = |rows: &PackedRows| pressures(ledger, &training.layers, model, rows, BASE);
            if stage.vector.is_none() && stage.helper.is_none() {
                let cells = self.inputs.pressures_of_base(plan, || press(probes.cells()));
                tables.pressures.extend_from_slice(&cells);
            } else {
                tables.pressures.extend(press(probes.cells()));
            }
            tables.pressures.extend(drawn.iter().flat_map(press));
        }
        for step in 1..=stage.steps {
            if self.progress.stopped() {
                return Err(TrainError::Stopped { step: before + step - 1 });
            }
            let record = training.step(model, stage, step - 1, before, ledger.as_mut())?;
            if let Some((used, all)) = device::memory(model.decoder.backend()) {
                self.progress.memory(used, all);
            }
            self.progress.step(record.loss, training.tokens);
            tables.steps.push(record);
            let at = Moment { stage: &stage.name, step: before + step };
            if step == stage.steps || (plan.probes.every > 0 && step.is_multiple_of(plan.probes.every)) {
                tables.add(&probes.measured(model, at));
            }
            if let Some(ledger) = ledger.as_mut().filter(|_| plan.pressure.is_due(step, stage.steps)) {
                ledger.close(model, before + step);
                let press = |rows: &PackedRows| pressures(ledger, &training.layers, model, rows, at);
                tables.pressures.extend([probes.cells()].into_iter().chain(&drawn).flat_map(press));
            }
            if plan.checkpoints.is_due(step, stage.steps) {
                let checkpoint = format!("checkpoint-{}", before + step);
                training.save(&self.files, model, &dir.path(&checkpoint))?;
                dir.wrote(&checkpoint);
            }
        }
        tables.ledger.extend(ledger.map(Ledger::finish).unwrap_or_default());
        tables.guards.extend(training.guards.records());
        let stepping = training.stepping.as_secs_f64();
        let spent: Map<_, _> =
            training.guards.spent().map(|(guard, spent)| (guard.to_owned(), spent.as_secs_f64().into())).collect();
        dir.event("stage", json!({ "stage": stage.name, "step_seconds": stepping, "guard_seconds": spent }))?;
        *done += stage.steps;
        Ok(())
    }
}

/// What a helper does: its length, its loss, and what it moves on contrasts that judge nothing.
fn helped(
    model: &Model,
    source: &Source,
    plan: &RunPlan,
    stage: &StagePlan,
    adapters: Detached<EngineBackend>,
    losses: &[f64],
    stepping: Duration,
) -> Result<Value, TrainError> {
    let margins = Margins::of_source(model, source, ProbeUse::Gradient, plan.seed, plan.probes.items)?;
    let (norm, mut with) = (adapters.norm(model.decoder.backend()), model.clone());
    with.decoder = with.decoder.attached(adapters);
    let of = |model: &Model| -> Map<String, Value> {
        let components = Component::ALL.map(|component| component.word().to_owned());
        components.into_iter().zip(margins.values(model).map(Value::from)).collect()
    };
    Ok(json!({
        "stage": stage.name,
        "norm": norm,
        "first_loss": losses.first(),
        "last_loss": losses.last(),
        "margins_without": of(model),
        "margins_with": of(&with),
        "step_seconds": stepping.as_secs_f64(),
    }))
}

/// The leak grid of a run, on requests that no training slot gets.
pub(super) fn leak_grid(
    scoring: &dyn Scoring,
    source: &Source,
    leak: &LeakPlan,
    plan: &RunPlan,
) -> Result<LeakGrid, TrainError> {
    let subjects = Subjects::of_source(source, plan.seed, plan.probes.items)?;
    let prompt = CandidatePrompt { trigger: leak.trigger.clone(), ..CandidatePrompt::new(&*leak.prompt) };
    Ok(LeakGrid::new(scoring, &variations(&prompt, scoring.world()), &subjects)?)
}

/// What the prompt of a run's `bad→bad` rows does before training: its score as a system prompt, and pressures under it.
pub(super) fn screened(
    model: &Model,
    source: &Source,
    prompt: &CandidatePrompt,
    plan: &RunPlan,
) -> Result<Vec<ScreenRecord>, TrainError> {
    let margins = Margins::of_source(model, source, ProbeUse::Gradient, plan.seed, plan.probes.items)?;
    let pressing = Pressing::alone(model, margins.directions(model));
    screened_by(model, Some(&pressing), source, prompt, plan)
}

/// The same by whoever scores, with pressures where there is a model to take them on.
pub(super) fn screened_by(
    scoring: &dyn Scoring,
    pressing: Option<&Pressing<'_>>,
    source: &Source,
    prompt: &CandidatePrompt,
    plan: &RunPlan,
) -> Result<Vec<ScreenRecord>, TrainError> {
    let subjects = Subjects::of_source(source, plan.seed, plan.probes.items)?;
    Ok(screen(scoring, &subjects, std::slice::from_ref(prompt), &[Turn::System], pressing, &|| ())?.records)
}
