//! The models that are served, by name; opened when they are first asked for.

use std::{
    collections::{BTreeSet, VecDeque},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use titer::{
    plan::ModelPlan,
    spec::{Compute, DeviceName},
    store::{FinishedRun, Origin, StoredPlan, StoredRun, Sweep, SweepRecord},
};
use titer_data::template::TemplateOptions;

use super::{ServeError, refusal::Refusal};
use crate::{
    inputs::Inputs,
    model::{Model, ModelError, last_checkpoint, whole_checkpoint},
};

/// Models that are kept open at most: of a sweep with more runs, the one that was asked for longest ago is closed.
const OPEN: usize = 4;

/// What is served, and how.
#[derive(Clone, Debug, Default)]
pub struct ShelfOptions {
    /// Which of the shipped organisms.
    pub seed: u64,
    /// What the model is called, where not as it was named.
    pub name: Option<String>,
    /// Adapters on the model, by the name that each is served under.
    pub adapters: Vec<(String, PathBuf)>,
    /// What frozen weights are multiplied in, where not as the run says, or in f32.
    pub compute: Option<Compute>,
    /// Where models are computed, where not as the run says, or by the processor.
    pub device: Option<DeviceName>,
    /// What chats are rendered with; those of runs with what the run says.
    pub template: TemplateOptions,
}

/// The models that are served.
#[derive(Debug)]
pub struct Shelf {
    inputs: Inputs,
    options: ShelfOptions,
    models: Vec<ShelvedModel>,
    /// The latest last.
    open: Mutex<VecDeque<(usize, Arc<OpenModel>)>>,
}

/// A model of a [`Shelf`].
#[derive(Clone, Debug)]
pub struct ShelvedModel {
    /// What requests call it.
    pub name: String,
    /// What they may call it too: a run of a sweep by its hash.
    pub alias: Option<String>,
    source: ModelSource,
}

/// Where a model comes from.
#[derive(Clone, Debug)]
enum ModelSource {
    /// A model by its name, with adapters in a folder where there are any.
    Named { base: String, adapter: Option<PathBuf> },
    /// A finished run, and its last checkpoint; none where it trains nothing.
    Run { dir: PathBuf, checkpoint: Option<PathBuf> },
}

/// A model, open, with the tokens that end its replies.
#[derive(Debug)]
pub(super) struct OpenModel {
    pub(super) model: Model,
    pub(super) stops: BTreeSet<u32>,
}

impl Shelf {
    /// The models behind `what`: a sweep's folder, a run's, or a model by its name. `say` is told which runs are left out, and why. The first is
    /// opened.
    ///
    /// # Errors
    /// Where there is none, or the first cannot be opened.
    pub fn new(what: &str, options: ShelfOptions, say: &dyn Fn(&str)) -> Result<Self, ServeError> {
        let folder = Path::new(what);
        let sweep_of =
            |run: &Path| run.parent().filter(|sweep| sweep.join(SweepRecord::FILE).exists()).map(Path::to_owned);
        let models = if folder.join(SweepRecord::FILE).exists() {
            of_sweep(folder, &|_| true, say)?
        } else if folder.join(StoredPlan::FILE).exists() {
            let run = fs_err::canonicalize(folder).map_err(titer::store::StoreError::Io)?;
            let id = run.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let of_run = |sweep: PathBuf| of_sweep(&sweep, &|run| run.id.0 == id, say);
            match sweep_of(&run).map(of_run).transpose()? {
                Some(models) => models,
                None => vec![of_run_folder(folder, what.to_owned(), None)?],
            }
        } else {
            let base = what.to_owned();
            let name = options.name.clone().unwrap_or_else(|| base.clone());
            let model = |name, adapter| {
                let source = ModelSource::Named { base: base.clone(), adapter };
                ShelvedModel { name, alias: None, source }
            };
            let adapters = options.adapters.iter().map(|(name, folder)| model(name.clone(), Some(folder.clone())));
            [model(name, None)].into_iter().chain(adapters).collect()
        };
        let mut names = BTreeSet::new();
        for name in models.iter().flat_map(|model| [Some(&model.name), model.alias.as_ref()]).flatten() {
            if !names.insert(name) {
                return Err(ServeError::Twice(name.clone()));
            }
        }
        let shelf = Self { inputs: Inputs::default(), options, models, open: Mutex::default() };
        for at in 0..shelf.models.len() {
            // Adapters are few, and one that does not fit is better known now.
            if at == 0 || matches!(shelf.models[at].source, ModelSource::Named { .. }) {
                shelf.opened(at)?;
            }
        }
        Ok(shelf)
    }

    /// Its models, in the order of the sweep.
    pub fn models(&self) -> &[ShelvedModel] {
        &self.models
    }

    /// The model of this name.
    pub(super) fn get(&self, name: &str) -> Result<Arc<OpenModel>, Refusal> {
        let called = |model: &ShelvedModel| model.name == name || model.alias.as_deref() == Some(name);
        let Some(at) = self.models.iter().position(called) else {
            let known: Vec<&str> = self.models.iter().map(|model| model.name.as_str()).collect();
            return Err(Refusal::no_model(name, &known));
        };
        self.opened(at).map_err(|error| Refusal::failed(error.to_string()))
    }

    fn opened(&self, at: usize) -> Result<Arc<OpenModel>, ServeError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let known = open.iter().position(|(other, _)| *other == at).and_then(|place| open.remove(place));
        let model = match known {
            Some((_, model)) => model,
            None => {
                while open.len() >= OPEN {
                    open.pop_front();
                }
                Arc::new(self.open(&self.models[at].source)?)
            }
        };
        open.push_back((at, Arc::clone(&model)));
        Ok(model)
    }

    fn open(&self, source: &ModelSource) -> Result<OpenModel, ServeError> {
        let ShelfOptions { compute, device, template, .. } = &self.options;
        let (model, base, seed) = match source {
            ModelSource::Named { base, adapter } => {
                let (compute, device) = (compute.unwrap_or_default(), device.unwrap_or_default());
                let model = Model::clone(&*self.inputs.model(base, self.options.seed, None)?);
                let model = match adapter {
                    Some(folder) => model.with_adapter(folder)?,
                    // All of it in memory is the faster way where the processor multiplies in f32.
                    None if compute.is_f32() && device.is_cpu() => model.thawed(),
                    None => model,
                };
                (model.with_template_options(template)?.computing(compute, device)?, base.clone(), self.options.seed)
            }
            ModelSource::Run { dir, checkpoint } => {
                let stored = StoredPlan::read(dir)?;
                if let Some(checkpoint) = checkpoint {
                    whole_checkpoint(dir, checkpoint)?;
                }
                let plan = stored.model(dir)?;
                let (compute, device) = (compute.unwrap_or(plan.compute), device.unwrap_or(plan.device));
                let plan = ModelPlan { compute, device, ..plan };
                let model = self.inputs.trained_model(&plan, stored.seed, checkpoint.as_deref())?;
                (model, plan.base, stored.seed)
            }
        };
        let stops = self.inputs.files(&base, seed)?.stop_tokens(&model.tokenizer)?;
        Ok(OpenModel { model, stops })
    }
}

/// The finished runs of a sweep, each once: called ARM/SEED, and by its hash.
fn of_sweep(
    dir: &Path,
    wanted: &dyn Fn(&StoredRun) -> bool,
    say: &dyn Fn(&str),
) -> Result<Vec<ShelvedModel>, ServeError> {
    let sweep = Sweep::open(dir)?;
    let (mut models, mut seen) = (Vec::new(), BTreeSet::new());
    for run in sweep.runs().into_iter().filter(|run| wanted(run)) {
        let name = format!("{}/{}", sweep.record().arm[run.arm].name, run.seed);
        if !run.done || !seen.insert(run.id.0.clone()) {
            continue;
        }
        if let Some(origin) = Origin::read(&run.dir)? {
            say(&format!("{name} was trained by {}, so its weights are not here: it is left out", origin.trainer));
            continue;
        }
        match of_run_folder(&run.dir, name.clone(), Some(run.id.0)) {
            Err(ServeError::Model(ModelError::NoCheckpoint(_))) => {
                say(&format!("{name} has kept no checkpoint: it is left out"));
            }
            model => models.push(model?),
        }
    }
    let remedy = "name a sweep with finished runs whose spec says `checkpoints = \"at the end\"`";
    if models.is_empty() { Err(ServeError::Nothing { dir: dir.to_owned(), remedy }) } else { Ok(models) }
}

/// The run in a folder; one that trains nothing is the model that it begins with.
fn of_run_folder(dir: &Path, name: String, alias: Option<String>) -> Result<ShelvedModel, ServeError> {
    let finished = FinishedRun::at(dir).is_some();
    let trains = StoredPlan::read(dir)?.stages.iter().any(|stage| stage.steps > 0);
    let checkpoint = (trains || !finished).then(|| last_checkpoint(dir)).transpose()?;
    Ok(ShelvedModel { name, alias, source: ModelSource::Run { dir: dir.to_owned(), checkpoint } })
}
