//! The files of a command, each opened once and shared by all that asks for them.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use titer::{
    plan::RunPlan,
    spec::When,
    table::{LeakRecord, PressureRecord},
};
use titer_data::{
    formats::read_data,
    source::{Chats, ChatsError, DataBytes, DataFiles, Source},
    world::DomainSplit,
};
use titer_model::stored::Dtype;

use crate::{
    model::{Files, Model, ModelError, ORGANISM},
    pressure::StageWarning,
    probe::Measured,
};

/// The models and the user's own rows behind a command, for as long as it lasts.
#[derive(Debug, Default)]
pub struct Inputs {
    pub(super) bytes: Kept<PathBuf, Bytes>,
    data: Mutex<Vec<(DataFiles, Arc<OpenData>)>>,
    files: Kept<Base, Files>,
    hashes: Kept<Base, String>,
    /// By number type too.
    models: Kept<(Base, Option<&'static str>), Model>,
    /// Of bases, by the name of a plan that trains nothing.
    measured: Kept<String, Measured>,
    leaks: Kept<String, Vec<LeakRecord>>,
    pressures: Kept<String, Vec<PressureRecord>>,
    /// By the domains of the first stage too.
    warnings: Kept<(String, DomainSplit), StageWarning>,
}

/// A model's name in a spec, and the seed where it decides which model that is.
type Base = (String, Option<u64>);

/// What has been opened, by its name.
pub(super) type Kept<K, V> = Mutex<BTreeMap<K, Arc<V>>>;

/// Rows and contrasts of the user's own.
#[derive(Debug)]
pub struct OpenData {
    /// Where runs get their rows and contrasts from.
    pub source: Arc<Source>,
    /// Hash of what is in the files, see [`DataBytes::hash`].
    pub blake3: String,
}

impl OpenData {
    /// The rows and contrasts.
    pub fn chats(&self) -> &Chats {
        match &*self.source {
            Source::Chats(chats) => chats,
            Source::World(_) => unreachable!("the user's own rows are chats"),
        }
    }
}

impl Inputs {
    /// The bytes of a file of rows, contrasts or the like.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn bytes(&self, path: &Path) -> io::Result<Bytes> {
        let bytes = once(&self.bytes, path.to_owned(), || read_data(path))?;
        Ok(Bytes::clone(&bytes))
    }

    /// The rows and contrasts of these files.
    ///
    /// # Errors
    /// Where they cannot be read or used, see [`Chats::parse`].
    pub fn data(&self, files: &DataFiles) -> Result<Arc<OpenData>, ChatsError> {
        let mut kept = locked(&self.data);
        if let Some((_, data)) = kept.iter().find(|(known, _)| known == files) {
            return Ok(Arc::clone(data));
        }
        let bytes = DataBytes::read_with(files, |path| self.bytes(path))?;
        let source = Arc::new(Source::Chats(Chats::parse(&bytes)?));
        let data = Arc::new(OpenData { source, blake3: bytes.hash() });
        kept.push((files.clone(), Arc::clone(&data)));
        Ok(data)
    }

    /// The files of the model behind `base` for a seed, see [`Files::find`].
    ///
    /// # Errors
    /// As [`Files::find`].
    pub fn files(&self, base: &str, seed: u64) -> Result<Arc<Files>, ModelError> {
        once(&self.files, key(base, seed), || Files::find(base, seed))
    }

    /// The hash of what these files hold, see [`Files::hash`].
    ///
    /// # Errors
    /// As [`Files::hash`].
    pub fn hash(&self, base: &str, seed: u64) -> Result<Arc<String>, ModelError> {
        once(&self.hashes, key(base, seed), || self.files(base, seed)?.hash())
    }

    /// The model in these files, its weights rounded to a number type where there is one: for a run to clone, and then to thaw
    /// or to put adapters on.
    ///
    /// # Errors
    /// As [`Model::from_files`].
    pub fn model(&self, base: &str, seed: u64, dtype: Option<Dtype>) -> Result<Arc<Model>, ModelError> {
        once(&self.models, (key(base, seed), dtype.map(Dtype::word)), || {
            Model::from_files(&Files::clone(&*self.files(base, seed)?).rounded(dtype))
        })
    }

    /// What is measured of a run's base before anything is trained: taken by the first run that begins with it, and kept for the
    /// others, which differ in what they train.
    pub(crate) fn of_base(&self, plan: &RunPlan, measure: impl FnOnce() -> Measured) -> Arc<Measured> {
        of_base(&self.measured, untrained(plan).id().0, measure)
    }

    /// Likewise the leak grid on a run's base.
    pub(crate) fn leaks_of_base(
        &self,
        plan: &RunPlan,
        measure: impl FnOnce() -> Vec<LeakRecord>,
    ) -> Arc<Vec<LeakRecord>> {
        of_base(&self.leaks, RunPlan { leak: plan.leak.clone(), ..untrained(plan) }.id().0, measure)
    }

    /// Likewise what rows of the cells push on it, where they are trained through the plain model.
    pub(crate) fn pressures_of_base(
        &self,
        plan: &RunPlan,
        measure: impl FnOnce() -> Vec<PressureRecord>,
    ) -> Arc<Vec<PressureRecord>> {
        of_base(&self.pressures, untrained(plan).id().0, measure)
    }

    /// Likewise what can be said of a first stage in these domains by the base alone.
    pub(crate) fn warning_of_base(
        &self,
        plan: &RunPlan,
        domains: DomainSplit,
        measure: impl FnOnce() -> StageWarning,
    ) -> StageWarning {
        *of_base(&self.warnings, (untrained(plan).id().0, domains), measure)
    }
}

/// The plan without what a run does to its base and measures of it.
fn untrained(plan: &RunPlan) -> RunPlan {
    RunPlan {
        stages: Vec::new(),
        pressure: When::Never,
        checkpoints: When::Never,
        leak: None,
        screen: false,
        own_prompt: None,
        ..plan.clone()
    }
}

/// What is kept of a base by this name, or what `measure` gives, which is then kept.
fn of_base<K: Ord, V>(kept: &Kept<K, V>, name: K, measure: impl FnOnce() -> V) -> Arc<V> {
    if let Some(known) = locked(kept).get(&name) {
        return Arc::clone(known);
    }
    // Not under the lock: threads that share the measuring may come by here for another run.
    let measured = Arc::new(measure());
    locked(kept).insert(name, Arc::clone(&measured));
    measured
}

fn key(base: &str, seed: u64) -> Base {
    (base.to_owned(), (base == ORGANISM).then_some(seed))
}

/// What is kept of this name, or what `open` gives, which is then kept. Others who ask for it wait.
pub(super) fn once<K: Ord, V, E>(kept: &Kept<K, V>, name: K, open: impl FnOnce() -> Result<V, E>) -> Result<Arc<V>, E> {
    let mut kept = locked(kept);
    if let Some(known) = kept.get(&name) {
        return Ok(Arc::clone(known));
    }
    let opened = Arc::new(open()?);
    kept.insert(name, Arc::clone(&opened));
    Ok(opened)
}

fn locked<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use titer::{plan::SweepPlan, spec::Spec};

    use super::*;

    #[test]
    fn a_base_is_measured_once_for_all_that_is_trained_from_it() {
        let inputs = Inputs::default();
        let mut measurements = 0;
        let mut measured = |items: usize| {
            let text = format!(
                "title = \"t\"\nquestion = \"q\"\nseeds = [0, 1]\n[probes]\nitems = {items}\n[[stage]]\nrows = 64\n\
                 mix = {{ rest = \"neutral→good\" }}\n[sweep]\n\"train.mix.bad→good\" = [0.0, 0.5, 1.0]\n"
            );
            let plan = SweepPlan::resolve(&Spec::parse(&text, Path::new("spec.toml")).unwrap()).unwrap();
            let runs = plan.runs(None, |base, seed| inputs.plan_model(base, seed, false)).unwrap();
            for (_, plan) in &runs {
                inputs.of_base(plan, || {
                    measurements += 1;
                    Measured { probes: Vec::new(), cells: Vec::new() }
                });
                inputs.pressures_of_base(plan, || {
                    measurements += 1;
                    Vec::new()
                });
            }
            (runs.len(), measurements)
        };
        // Probes and pressures for three arms of two seeds; then other items.
        assert_eq!((measured(8), measured(8), measured(16)), ((6, 4), (6, 4), (6, 8)));
    }
}
