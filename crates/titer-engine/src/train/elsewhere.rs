//! Runs that another trainer has trained: measured as own runs are, before training and after stages.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use titer::{
    exec::{Progress, Runner},
    plan::{RunId, RunPlan},
    store::{Origin, RunDir},
    table::{CellRecord, ProbeRecord, StepRecord},
};

use titer_model::shape::{Config, LoraConfig};

use super::{
    ServedMoment, StageTraining, TrainError,
    runner::{leak_grid, screened},
    tables::{Tables, pressures},
};
use crate::{
    inputs::Inputs,
    leak::LeakGrid,
    model::{ADAPTER_CONFIG, EngineBackend, Files, Model},
    pressure::{Ledger, LedgerMargins, Warnings},
    probe::{Moment, Probes},
};

/// What there is of a run that was trained elsewhere.
#[derive(Clone, Debug)]
pub enum BroughtBack {
    /// Weights after some of its stages, by the stage's index: folders of models or of adapters.
    Weights(Vec<(usize, PathBuf)>),
    /// What an endpoint says of its model at the end, and of the model that it begins with where that was asked too.
    Served {
        /// Before training; `None` where that is measured here.
        before: Option<Box<ServedMoment>>,
        /// After the last stage.
        after: Box<ServedMoment>,
    },
    /// What somebody else measured.
    Outcomes(Vec<ProbeRecord>),
}

/// Brings runs in that were trained elsewhere: measures their weights with titer's probes, or takes what an endpoint or somebody else says of them.
#[derive(Debug)]
pub struct ElsewhereRunner<'a> {
    /// What runs start from.
    pub inputs: &'a Inputs,
    /// The commit that the program was built from, where that is known.
    pub commit: Option<&'static str>,
    /// The runs, with where they come from.
    pub trained: BTreeMap<RunId, (BroughtBack, Origin)>,
}

impl Runner for ElsewhereRunner<'_> {
    type Error = TrainError;

    fn commit(&self) -> Option<&str> {
        self.commit
    }

    fn run(&self, plan: &RunPlan, dir: &RunDir, progress: &dyn Progress) -> Result<(), TrainError> {
        let (trained, origin) = &self.trained[&plan.id()];
        match trained {
            BroughtBack::Weights(stages) => self.measure(plan, stages, dir, progress)?,
            BroughtBack::Served { before, after } => self.asked(plan, before.as_deref(), after, dir)?,
            BroughtBack::Outcomes(outcomes) => {
                dir.write(outcomes)?;
                dir.write::<CellRecord>(&[])?;
                dir.write::<StepRecord>(&[])?;
            }
        }
        origin.write(&dir.path(""))?;
        dir.wrote(Origin::FILE);
        Ok(())
    }
}

impl ElsewhereRunner<'_> {
    fn measure(
        &self,
        plan: &RunPlan,
        trained: &[(usize, PathBuf)],
        dir: &RunDir,
        progress: &dyn Progress,
    ) -> Result<(), TrainError> {
        let (mut tables, probes, grid) = self.before(plan)?;
        for (at, folder) in trained {
            if progress.stopped() {
                return Err(TrainError::Stopped { step: 0 });
            }
            let step = plan.stages[..=*at].iter().map(|stage| stage.steps).sum();
            let model = self.inputs.trained_elsewhere(plan, folder)?;
            let moment = Moment { stage: &plan.stages[*at].name, step };
            tables.add(&probes.measured(&model, moment));
            if step == plan.steps() {
                tables.leaks.extend(grid.as_ref().map_or_else(Vec::new, |grid| grid.measure(&model, moment)));
            }
        }
        tables.write(dir, !plan.pressure.is_never())
    }

    /// What was asked of an endpoint; of the model that the run begins with too, or else measured here.
    fn asked(
        &self,
        plan: &RunPlan,
        before: Option<&ServedMoment>,
        after: &ServedMoment,
        dir: &RunDir,
    ) -> Result<(), TrainError> {
        let mut tables = match before {
            None => self.before(plan)?.0,
            Some(_) => Tables::default(),
        };
        for said in before.into_iter().chain([after]) {
            tables.probes.extend(said.probes.iter().cloned());
            tables.cells.extend(said.cells.iter().cloned());
            tables.leaks.extend(said.leaks.iter().cloned());
            tables.screened.extend(said.screened.iter().cloned());
        }
        tables.write(dir, before.is_none() && !plan.pressure.is_never())
    }

    /// The model that a run begins with, measured, and what measures it.
    fn before(&self, plan: &RunPlan) -> Result<(Tables, Probes, Option<LeakGrid>), TrainError> {
        let (_, model, source) = self.inputs.prepare(plan)?;
        let probes = Probes::of_source(&model, &source, plan.seed, plan.probes.items)?;
        let grid = plan.leak.as_ref().map(|leak| leak_grid(&model, &source, leak, plan)).transpose()?;
        let mut tables = Tables::default();
        let start = Moment { stage: "base", step: 0 };
        let leaks = || grid.as_ref().map_or_else(Vec::new, |grid| grid.measure(&model, start));
        tables.leaks.extend_from_slice(&self.inputs.leaks_of_base(plan, leaks));
        if let Some(prompt) = plan.screened_prompt() {
            tables.screened = screened(&model, &source, &prompt, plan)?;
        }
        tables.add(&self.inputs.of_base(plan, || probes.measured(&model, start)));
        if !plan.pressure.is_never() {
            let margins = LedgerMargins::of_source(&model, &source, plan.seed, plan.probes.items)?;
            let ledger = || Ledger::open(&margins, &model, "base", std::iter::empty(), 0);
            let press = || pressures(&ledger(), &model.decoder, &model, probes.cells(), start);
            tables.pressures.extend_from_slice(&self.inputs.pressures_of_base(plan, press));
        }
        if let Some(stage) = plan.stages.iter().find(|stage| stage.steps > 0) {
            let training = StageTraining::prepare(self.inputs, &model, &source, stage, plan.seed)?;
            let warnings = Warnings::of_source(&model, &source, stage.domains, plan.seed, 2 * plan.probes.items)?;
            let warning = self.inputs.warning_of_base(plan, stage.domains, || warnings.take(&model));
            tables.warn(warning, &training, &model, stage, 0);
        }
        Ok((tables, probes, grid))
    }
}

/// What adapters compute with, and how many matrices they have, in words.
fn sizes(model: &Model) -> String {
    let matrices = model.decoder.layout.specs.iter().filter(|spec| spec.name.contains("lora_")).count();
    let scale = |lora: &LoraConfig| {
        format!("r = {}, alpha = {}{}", lora.r, lora.lora_alpha, if lora.use_rslora { ", rslora" } else { "" })
    };
    format!("{} on {} layers", model.lora.as_ref().map(scale).unwrap_or_default(), matrices / 2)
}

/// What a config says otherwise than the one that is due, if anything.
fn difference(found: &Config, due: &Config) -> Option<String> {
    // A width of heads that follows from the others need not be written.
    let sizes = |config: &Config| json!(Config { head_dim: Some(config.head_width()), ..config.clone() });
    let (sizes, due_sizes) = (sizes(found), sizes(due));
    let differs = |(key, due): (&String, &Value)| {
        let found = &sizes[key];
        (found != due).then(|| format!("`{key}` is {found} in its config.json, not {due}"))
    };
    let family = || (found.variant != due.variant).then(|| "its config.json is of another family".to_owned());
    due_sizes.as_object().into_iter().flatten().find_map(differs).or_else(family)
}

impl Inputs {
    /// The model of a run as another trainer left it in a folder: its weights, or the adapters on the model that the run begins with. Chats are
    /// rendered and encoded as they are for the run.
    ///
    /// # Errors
    /// Where the folder cannot be read, or holds what is not trained in this run: another model, or other adapters.
    pub fn trained_elsewhere(&self, plan: &RunPlan, folder: &Path) -> Result<Model, TrainError> {
        let (base, _) = self.unprepared(plan)?;
        let unfit = |problem: String| TrainError::Unfit { folder: folder.to_owned(), problem };
        if folder.join(ADAPTER_CONFIG).exists() {
            let Some(lora) = &plan.model.lora else {
                return Err(unfit("an adapter, and this arm trains all weights".to_owned()));
            };
            let wanted = base.clone().with_lora(lora, plan.seed).map_err(|error| unfit(error.to_string()))?;
            let found = base.with_adapter(folder).map_err(|error| unfit(error.to_string()))?;
            let [said, due] = [&found, &wanted].map(sizes);
            if said != due {
                return Err(unfit(format!("an adapter with {said}, and this arm trains one with {due}")));
            }
            return found.computing(plan.model.compute, plan.model.device).map_err(|error| unfit(error.to_string()));
        }
        let (decoder, params) = Files::find(&folder.display().to_string(), plan.seed)
            .and_then(|files| files.open_in(EngineBackend::default()))
            .map_err(|error| unfit(error.to_string()))?;
        if let Some(difference) = difference(&decoder.config, &base.decoder.config) {
            return Err(unfit(format!("another model than `{}`: {difference}", plan.model.base)));
        }
        // Tokenizer and template are the run's own: trainers write theirs in other words.
        let model = Model { decoder, params, lora: None, ..base }.thawed();
        model.computing(plan.model.compute, plan.model.device).map_err(|error| unfit(error.to_string()))
    }
}
