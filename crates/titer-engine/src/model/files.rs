//! The files of a model, wherever they are: in this program, in a folder, in a run's checkpoint, in the hub's cache.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use titer::store::{FinishedRun, StoreError, StoredPlan};
use titer_model::{
    io::{LoadError, WeightFiles, read_file},
    stored::Dtype,
};

use super::{ModelError, other_templates::OtherTemplates};
use crate::{
    hub,
    organism::{card::Card, shipped},
};

/// The word in a spec for the organism that titer ships.
pub(crate) const ORGANISM: &str = "organism";

/// The seed of a shipped organism by the name of its folder in this project, `organism/seed-0`, where no such folder is here.
fn shipped_seed(base: &str) -> Option<u64> {
    let number = base.strip_suffix('/').unwrap_or(base).strip_prefix("organism/seed-")?;
    let seed = (0..shipped::ALL.len() as u64).find(|seed| seed.to_string() == number)?;
    (!Path::new(base).exists()).then_some(seed)
}

/// Whether titer carries the model of this name, so that nobody need look for it.
pub fn is_carried(base: &str) -> bool {
    base == ORGANISM || shipped_seed(base).is_some()
}

/// Adapters in PEFT's layout.
pub(crate) const ADAPTER_CONFIG: &str = "adapter_config.json";

/// See [`ADAPTER_CONFIG`].
pub const ADAPTER: &str = "adapter_model.safetensors";

/// The files of a model, each opened once; weights are mapped, so that they are read where they are wanted. A clone shares them.
#[derive(Clone, Debug)]
pub struct Files {
    pub(super) folder: PathBuf,
    pub(super) config: Vec<u8>,
    pub(super) weights: WeightSource,
    /// What weights are rounded to; `None` for what they are.
    pub(super) dtype: Option<Dtype>,
    pub(crate) tokenizer: Vec<u8>,
    pub(crate) tokenizer_config: Vec<u8>,
    /// Where the chat template has a file of its own.
    pub(crate) chat_template: Option<Vec<u8>>,
    /// Where there is another for chats with tools.
    pub(crate) tool_template: Option<String>,
    /// Only organisms have one.
    pub(super) card: Option<Vec<u8>>,
}

/// Where weights are.
#[derive(Clone, Debug)]
pub(super) enum WeightSource {
    /// The bytes of a `model.safetensors`.
    Bytes(Arc<[u8]>),
    /// Mapped.
    Files(WeightFiles),
}

/// A chat template with a file of its own.
pub(crate) const CHAT_TEMPLATE: &str = "chat_template.jinja";

impl Files {
    /// The files behind `base`: the shipped organism of this seed, or of the one in `organism/seed-0`; a folder, the last checkpoint of a run's
    /// folder, or a hub id that is in the local cache.
    pub fn find(base: &str, seed: u64) -> Result<Self, ModelError> {
        let carried = if base == ORGANISM { Some(seed) } else { shipped_seed(base) };
        let Some(seed) = carried else {
            let folder = Path::new(base);
            return match hub::cached(base).filter(|_| !folder.exists()) {
                Some(snapshot) => Self::read(&snapshot),
                None if folder.join(StoredPlan::FILE).exists() => {
                    let checkpoint = last_checkpoint(folder)?;
                    whole_checkpoint(folder, &checkpoint)?;
                    Self::read(&checkpoint)
                }
                None => Self::read(folder),
            };
        };
        let shipped = usize::try_from(seed)
            .ok()
            .and_then(|seed| shipped::ALL.get(seed))
            .ok_or(ModelError::NoSuchSeed { seed, last: shipped::ALL.len() - 1 })?;
        Ok(Self {
            folder: format!("organism/seed-{seed}").into(),
            config: shipped.config.to_vec(),
            weights: WeightSource::Bytes(shipped.weights.into()),
            dtype: None,
            tokenizer: shipped.tokenizer.to_vec(),
            tokenizer_config: shipped.tokenizer_config.to_vec(),
            chat_template: None,
            tool_template: None,
            card: Some(shipped.card.to_vec()),
        })
    }

    fn read(folder: &Path) -> Result<Self, ModelError> {
        let fail = |problem| ModelError::Folder { folder: folder.to_owned(), problem };
        let read = |name: &str| read_file(&folder.join(name)).map_err(fail);
        without_adapter(folder)?;
        let read_if_there = |name: &str| folder.join(name).exists().then(|| read(name)).transpose();
        let config = read("config.json")?;
        let other = OtherTemplates::read(folder).map_err(fail)?;
        let weights = WeightFiles::map(folder).map_err(|error| match error {
            LoadError::Io(problem) => fail(problem),
            other => other.into(),
        })?;
        Ok(Self {
            config,
            weights: WeightSource::Files(weights),
            dtype: None,
            tokenizer: read("tokenizer.json")?,
            tokenizer_config: read("tokenizer_config.json")?,
            chat_template: other.default.map_or_else(|| read_if_there(CHAT_TEMPLATE), |default| Ok(Some(default)))?,
            tool_template: other.tool_use,
            card: read_if_there(Card::FILE)?,
            folder: folder.to_owned(),
        })
    }

    /// The same files with weights rounded to this number type where there is one, when a model is read from them.
    pub fn rounded(self, dtype: Option<Dtype>) -> Self {
        Self { dtype, ..self }
    }

    /// The folder, as PEFT shall know the model that adapters belong to.
    pub fn name(&self) -> String {
        self.folder.display().to_string()
    }

    /// Whether titer carries them: they are in no folder.
    pub fn are_carried(&self) -> bool {
        matches!(self.weights, WeightSource::Bytes(_))
    }

    /// Writes them as a folder, which is made where it is missing.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        fs_err::create_dir_all(folder)?;
        let WeightSource::Bytes(weights) = &self.weights else { return Err(std::io::ErrorKind::Unsupported.into()) };
        let files = [
            ("config.json", Some(self.config.as_slice())),
            ("model.safetensors", Some(weights)),
            ("tokenizer.json", Some(&self.tokenizer)),
            ("tokenizer_config.json", Some(&self.tokenizer_config)),
            (CHAT_TEMPLATE, self.chat_template.as_deref()),
            (Card::FILE, self.card.as_deref()),
        ];
        let present = files.into_iter().filter_map(|(name, bytes)| Some((name, bytes?)));
        present.into_iter().try_for_each(|(name, bytes)| fs_err::write(folder.join(name), bytes))
    }

    /// A hash of everything that decides what the model computes and which rows its world makes.
    pub fn hash(&self) -> Result<String, ModelError> {
        let mut hasher = blake3::Hasher::new();
        let mut add = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update_rayon(bytes);
        };
        add(&self.config);
        match &self.weights {
            WeightSource::Bytes(bytes) => add(bytes),
            WeightSource::Files(files) => files.bytes().for_each(&mut add),
        }
        [Some(&self.tokenizer), Some(&self.tokenizer_config), self.chat_template.as_ref()]
            .into_iter()
            .flatten()
            .for_each(|bytes| add(bytes));
        self.tool_template.iter().for_each(|template| add(template.as_bytes()));
        if let Some(seed) = self.world_seed()? {
            hasher.update(&seed.to_le_bytes());
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    /// The seed of the organism's world; `None` for a model that is no organism.
    pub(crate) fn world_seed(&self) -> Result<Option<u64>, ModelError> {
        let Some(bytes) = &self.card else { return Ok(None) };
        let card = Card::parse(bytes, &self.folder.join(Card::FILE)).map_err(ModelError::Card)?;
        Ok(Some(card.recipe.world_seed))
    }
}

/// Fails where a folder holds an adapter: transformers would compute with it, whatever else is there.
fn without_adapter(folder: &Path) -> Result<(), ModelError> {
    let config = folder.join(ADAPTER_CONFIG);
    if !config.exists() {
        return Ok(());
    }
    let folder = folder.to_owned();
    if folder.join("config.json").exists() {
        return Err(ModelError::AdapterInside { folder });
    }
    let bytes = read_file(&config).map_err(|problem| ModelError::Adapter { folder: folder.clone(), problem })?;
    let said: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let base = said["base_model_name_or_path"].as_str().unwrap_or("which it does not name").to_owned();
    Err(ModelError::OnlyAdapter { folder, base })
}

/// Makes sure that the checkpoint of a finished run is what the run wrote.
pub(crate) fn whole_checkpoint(run: &Path, checkpoint: &Path) -> Result<(), ModelError> {
    match FinishedRun::at(run) {
        Some(finished) => finished.check_checkpoint(checkpoint).map_err(|error| ModelError::Damaged(error.to_string())),
        None => Ok(()),
    }
}

/// The checkpoint with the most steps in a finished run's folder.
pub(crate) fn last_checkpoint(run: &Path) -> Result<PathBuf, ModelError> {
    // A damaged plan does not make a checkpoint another, but a newer titer may.
    if let Err(StoreError::Format(error)) = StoredPlan::read(run) {
        return Err(error.into());
    }
    let fail = |problem| ModelError::Folder { folder: run.to_owned(), problem };
    let entries = fs_err::read_dir(run).map_err(fail)?.map(|entry| Ok(entry?.path()));
    let entries = entries.collect::<std::io::Result<Vec<PathBuf>>>().map_err(fail)?;
    let checkpoint = |path: PathBuf| {
        let steps: u64 = path.file_name()?.to_str()?.strip_prefix("checkpoint-")?.parse().ok()?;
        Some((steps, path))
    };
    let last = entries.into_iter().filter_map(checkpoint).max().map(|(_, path)| path);
    // What an unfinished run has saved so far is not what its spec trains.
    match (last, FinishedRun::at(run)) {
        (Some(checkpoint), Some(_)) => Ok(checkpoint),
        (None, Some(_)) => Err(ModelError::NoCheckpoint(run.to_owned())),
        (checkpoint, None) => Err(ModelError::Unfinished { run: run.to_owned(), checkpoint }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shipped_organism_is_known_by_the_name_of_its_folder() {
        // No test runs where such a folder is.
        assert!(!Path::new("organism").exists());
        for base in ["organism/seed-1", "organism/seed-1/"] {
            let (named, of_seed) = (Files::find(base, 7).unwrap(), Files::find(ORGANISM, 1).unwrap());
            assert_eq!(named.hash().unwrap(), of_seed.hash().unwrap());
            assert!(is_carried(base) && is_carried(ORGANISM));
        }
        for other in ["organism/seed-9", "organism/seed-01", "organism/seed", "owner/seed-1", "organisms"] {
            assert!(!is_carried(other), "{other}");
        }
    }
}
