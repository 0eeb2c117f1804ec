//! One run: train a model through its stages, measure it along the way, write its tables.

use std::time::Duration;

use serde_json::{Map, Value, json};
use titer::{
    exec::{Progress, Runner},
    plan::{Arm, LeakPlan, ModelPlan, RunPlan, StagePlan},
    store::RunDir,
    table::ScreenRecord,
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
    drawn_file::DrawnFile,
    tables::{Tables, pressures},
};
use crate::{
    device::{self, Stay},
    inputs::Inputs,
    leak::LeakGrid,
    model::{EngineBackend, Model},
    pressure::{Ledger, LedgerMargins, Margins, Pressing, Warnings},
    probe::{Moment, Probes},
    rows::PackedRows,
    scoring::Scoring,
    screen::{Subjects, screen},
};

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
        let stay = Stay::on(plan.model.device);
        let plan = &RunPlan { model: ModelPlan { device: stay.device, ..plan.model.clone() }, ..plan.clone() };
        let (files, mut model, source) = self.inputs.prepare(plan)?;
        if let Some(device) = device::described(model.decoder.backend()) {
            dir.event("device", device)?;
        }
        let probes = Probes::of_source(&model, &source, plan.seed, plan.probes.items)?;
        let margins = (!plan.pressure.is_never())
            .then(|| LedgerMargins::of_source(&model, &source, plan.seed, plan.probes.items))
            .transpose()?;
        let mut tables = Tables::default();
        let grid = plan.leak.as_ref().map(|leak| leak_grid(&model, &source, leak, plan)).transpose()?;
        let leaks = |model: &Model, at| grid.as_ref().map_or_else(Vec::new, |grid| grid.measure(model, at));
        let base = Moment { stage: "base", step: 0 };
        tables.leaks.extend_from_slice(&self.inputs.leaks_of_base(plan, || leaks(&model, base)));
        if let Some(prompt) = Arm::inoculation_prompt(&plan.stages).filter(|_| plan.screen) {
            tables.screened = screened(&model, &source, prompt, plan)?;
        }
        tables.add(&self.inputs.of_base(plan, || probes.measured(&model, base)));
        if let Some(margins) = margins.as_ref().filter(|_| plan.steps() == 0) {
            // Nothing is trained, so no stage opens a ledger; what rows push is known all the same.
            let ledger = || Ledger::open(margins, &model, "base", std::iter::empty(), 0);
            let press = || pressures(&ledger(), &model.decoder, &model, probes.cells(), base);
            tables.pressures.extend_from_slice(&self.inputs.pressures_of_base(plan, press));
        }
        let (mut done, mut drawn_file) = (0, DrawnFile::default());
        for stage in &plan.stages {
            if stage.steps == 0 {
                continue;
            }
            let mut training = StageTraining::prepare(self.inputs, &model, &source, stage, plan.seed)?;
            drawn_file.add(dir, &stage.name, &training.drawn.0, training.drawn.1)?;
            if let Some(helper) = &stage.helper {
                let Helper { adapters, losses, drawn, stepping } =
                    Helper::make(self.inputs, &model, &source, helper, plan.seed, progress)?;
                let trained = helper.train().map_or("", |train| &train.name);
                drawn_file.add(dir, trained, &drawn.0, drawn.1)?;
                training = training.beside(adapters.clone());
                dir.event("helper", helped(&model, &source, plan, stage, adapters, &losses, stepping)?)?;
            }
            let is_pressed = margins.is_some() && !training.drawn.0.is_empty();
            let drawn = is_pressed.then(|| training.first_drawn(&model, plan.probes.items)).transpose()?;
            let sources = || training.sources().map(str::to_owned);
            let mut ledger =
                margins.as_ref().map(|margins| Ledger::open(margins, &model, &stage.name, sources(), done));
            // Overlap is noisier than what is measured elsewhere, so it takes twice the contrasts.
            let items = 2 * plan.probes.items;
            let warnings = Warnings::of_source(&model, &source, stage.domains, plan.seed, items)?;
            tables.warn(&warnings, &training, &model, stage, done);
            if let Some(ledger) = ledger.as_ref().filter(|_| done == 0) {
                let press = |rows: &PackedRows| pressures(ledger, &training.layers, &model, rows, base);
                if stage.vector.is_none() && stage.helper.is_none() {
                    let cells = self.inputs.pressures_of_base(plan, || press(probes.cells()));
                    tables.pressures.extend_from_slice(&cells);
                } else {
                    tables.pressures.extend(press(probes.cells()));
                }
                tables.pressures.extend(drawn.iter().flat_map(press));
            }
            for step in 1..=stage.steps {
                if progress.stopped() {
                    return Err(TrainError::Stopped { step: done + step - 1 });
                }
                let record = training.step(&mut model, stage, step - 1, done, ledger.as_mut())?;
                if let Some((used, all)) = device::memory(model.decoder.backend()) {
                    progress.memory(used, all);
                }
                progress.step(record.loss, training.tokens);
                tables.steps.push(record);
                let at = Moment { stage: &stage.name, step: done + step };
                if step == stage.steps || (plan.probes.every > 0 && step.is_multiple_of(plan.probes.every)) {
                    tables.add(&probes.measured(&model, at));
                }
                if let Some(ledger) = ledger.as_mut().filter(|_| plan.pressure.is_due(step, stage.steps)) {
                    ledger.close(&model, done + step);
                    let press = |rows: &PackedRows| pressures(ledger, &training.layers, &model, rows, at);
                    tables.pressures.extend([probes.cells()].into_iter().chain(&drawn).flat_map(press));
                }
                if plan.checkpoints.is_due(step, stage.steps) {
                    training.save(&files, &model, &dir.path(&format!("checkpoint-{}", done + step)))?;
                }
            }
            tables.ledger.extend(ledger.map(Ledger::finish).unwrap_or_default());
            tables.guards.extend(training.guards.records());
            let stepping = training.stepping.as_secs_f64();
            let spent: serde_json::Map<_, _> =
                training.guards.spent().map(|(guard, spent)| (guard.to_owned(), spent.as_secs_f64().into())).collect();
            dir.event("stage", json!({ "stage": stage.name, "step_seconds": stepping, "guard_seconds": spent }))?;
            done += stage.steps;
            if done == plan.steps() {
                tables.leaks.extend(leaks(&model, Moment { stage: &stage.name, step: done }));
            }
        }
        tables.write(dir, margins.is_some())
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
