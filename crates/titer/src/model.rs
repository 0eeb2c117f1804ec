//! A model to work on: decoder, weights, tokenizer and chat template, and the world it was raised in, if any.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use titer_data::{
    template::{ChatTemplate, TemplateError, special_tokens},
    tokenize::{TokenizeError, Tokenizer},
    world::World,
};
use titer_model::{
    backend::Cpu,
    decoder::Decoder,
    io::{
        LoadError, Weights, load_adapter, load_optimiser, read_adapter_config, read_config, save_weights, weight_files,
    },
    optim,
    params::Params,
    shape::{LINEAR_LAYERS, LoraConfig},
};

pub use titer_model::stored::Dtype;

use crate::{
    hub,
    organism::{card::Card, shipped},
    spec::Lora,
};

/// The word in a spec for the organism that titer ships.
pub const ORGANISM: &str = "organism";

/// The optimiser's state in a checkpoint.
pub const OPTIMISER: &str = "optimiser.safetensors";

/// Adapters in PEFT's layout.
pub const ADAPTER_CONFIG: &str = "adapter_config.json";

/// See [`ADAPTER_CONFIG`].
pub const ADAPTER: &str = "adapter_model.safetensors";

/// The backend that the lab works on.
pub type Backend = Cpu<f32>;

/// An optimiser on it.
pub type Optimiser = optim::Optimiser<Backend>;

/// A model, ready to train and to measure.
#[derive(Debug)]
pub struct Model {
    /// The layers.
    pub decoder: Decoder<Backend>,
    /// The weights.
    pub params: Params<Backend>,
    /// Text to tokens.
    pub tokenizer: Tokenizer,
    /// Chats to text.
    pub template: ChatTemplate,
    /// The world of an organism; `None` for any other model.
    pub world: Option<World>,
    /// The adapters that are all that is trained; `None` where everything is.
    pub lora: Option<LoraConfig>,
}

/// Why a model could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file of the folder is missing or unreadable.
    #[error(
        "{folder} is not a model folder: {problem}; it needs config.json, model.safetensors (or shards and their index), tokenizer.json and tokenizer_config.json"
    )]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What is missing.
        problem: std::io::Error,
    },
    /// A file of an adapter is missing or unreadable.
    #[error("{folder} is no adapter: {problem}; it needs adapter_config.json and adapter_model.safetensors")]
    Adapter {
        /// The folder.
        folder: PathBuf,
        /// What is missing.
        problem: std::io::Error,
    },
    /// There can be no such adapters; the text is one sentence.
    #[error("{0}")]
    Lora(String),
    /// A run's folder, without what it could be continued from.
    #[error("the run in {0} has saved no model: it needs `checkpoints = \"at the end\"` in its spec")]
    NoCheckpoint(PathBuf),
    /// There is no such number type; the text is one sentence.
    #[error("{0}")]
    Dtype(String),
    /// There is no state of an optimiser.
    #[error(
        "{folder} holds no optimiser's state: {problem}; name a checkpoint, which a spec with `checkpoints = \"at the end\"` writes"
    )]
    NoOptimiser {
        /// The folder.
        folder: PathBuf,
        /// What is missing.
        problem: std::io::Error,
    },
    /// There is no shipped organism for this seed.
    #[error(
        "there is no shipped organism for seed {seed}, only for 0 to {last}; train one with `titer organism train --seed {seed}` and name its folder as `model.base`"
    )]
    NoSuchSeed {
        /// The seed asked for.
        seed: u64,
        /// The highest one shipped.
        last: usize,
    },
    /// Config or weights do not fit.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The tokenizer does not.
    #[error(transparent)]
    Tokenize(#[from] TokenizeError),
    /// The chat template does not.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The card beside the weights does not.
    #[error("{path}: not an organism's card: {problem}")]
    Card {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

/// The files of a model; weights stay on disk until they are wanted.
#[derive(Clone, Debug)]
pub struct Files {
    folder: PathBuf,
    config: Vec<u8>,
    weights: Source,
    /// What weights are rounded to; `None` for what they are.
    dtype: Option<Dtype>,
    tokenizer: Vec<u8>,
    tokenizer_config: Vec<u8>,
    /// Where the chat template has a file of its own.
    chat_template: Option<Vec<u8>>,
    /// Only organisms have one.
    card: Option<Vec<u8>>,
}

/// Where weights are.
#[derive(Clone, Debug)]
enum Source {
    /// The bytes of a `model.safetensors`.
    Bytes(Vec<u8>),
    /// In the folder.
    Folder,
}

/// A chat template with a file of its own.
const CHAT_TEMPLATE: &str = "chat_template.jinja";

impl Files {
    /// The files behind `base`: the shipped organism of this seed, a folder, the last checkpoint of a run's folder, or a hub id
    /// that is in the local cache.
    pub fn find(base: &str, seed: u64) -> Result<Self, ModelError> {
        if base != ORGANISM {
            let folder = Path::new(base);
            return match hub::cached(base).filter(|_| !folder.exists()) {
                Some(snapshot) => Self::read(&snapshot),
                None if folder.join("plan.toml").exists() => Self::read(&last_checkpoint(folder)?),
                None => Self::read(folder),
            };
        }
        let shipped = usize::try_from(seed)
            .ok()
            .and_then(|seed| shipped::ALL.get(seed))
            .ok_or(ModelError::NoSuchSeed { seed, last: shipped::ALL.len() - 1 })?;
        Ok(Self {
            folder: format!("organism/seed-{seed}").into(),
            config: shipped.config.to_vec(),
            weights: Source::Bytes(shipped.weights.to_vec()),
            dtype: None,
            tokenizer: shipped.tokenizer.to_vec(),
            tokenizer_config: shipped.tokenizer_config.to_vec(),
            chat_template: None,
            card: Some(shipped.card.to_vec()),
        })
    }

    fn read(folder: &Path) -> Result<Self, ModelError> {
        let fail = |problem| ModelError::Folder { folder: folder.to_owned(), problem };
        let read = |name: &str| fs_err::read(folder.join(name)).map_err(fail);
        let read_if_there = |name: &str| folder.join(name).exists().then(|| read(name)).transpose();
        let config = read("config.json")?;
        weight_files(folder).map_err(|error| match error {
            LoadError::Io(problem) => fail(problem),
            other => other.into(),
        })?;
        Ok(Self {
            config,
            weights: Source::Folder,
            dtype: None,
            tokenizer: read("tokenizer.json")?,
            tokenizer_config: read("tokenizer_config.json")?,
            chat_template: read_if_there(CHAT_TEMPLATE)?,
            card: read_if_there(Card::FILE)?,
            folder: folder.to_owned(),
        })
    }

    /// The same files with the weights that `model` has now, in f32. A card still tells of the organism that it began as.
    pub fn with_weights_of(&self, model: &Model) -> Self {
        let weights = save_weights(model.decoder.backend(), &model.decoder.layout, &model.params);
        Self { config: in_f32(&self.config), weights: Source::Bytes(weights), ..self.clone() }
    }

    /// The same files with weights rounded to this number type where there is one, when a model is read from them.
    pub fn rounded(self, dtype: Option<Dtype>) -> Self {
        Self { dtype, ..self }
    }

    /// The folder, as PEFT shall know the model that adapters belong to.
    pub fn name(&self) -> String {
        self.folder.display().to_string()
    }

    /// Writes them as a folder, which is made where it is missing.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        fs_err::create_dir_all(folder)?;
        let Source::Bytes(weights) = &self.weights else { return Err(std::io::ErrorKind::Unsupported.into()) };
        let files = [
            ("config.json", Some(&self.config)),
            ("model.safetensors", Some(weights)),
            ("tokenizer.json", Some(&self.tokenizer)),
            ("tokenizer_config.json", Some(&self.tokenizer_config)),
            (CHAT_TEMPLATE, self.chat_template.as_ref()),
            (Card::FILE, self.card.as_ref()),
        ];
        let present = files.into_iter().filter_map(|(name, bytes)| Some((name, bytes?)));
        present.into_iter().try_for_each(|(name, bytes)| fs_err::write(folder.join(name), bytes))
    }

    /// A hash of everything that decides what the model computes and which rows its world makes.
    pub fn hash(&self) -> Result<String, ModelError> {
        let mut hasher = blake3::Hasher::new();
        let add = |hasher: &mut blake3::Hasher, bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        add(&mut hasher, &self.config);
        match &self.weights {
            Source::Bytes(bytes) => add(&mut hasher, bytes),
            Source::Folder => {
                for path in weight_files(&self.folder)? {
                    // Mapped, as the weights will be: what is read for the one is there for the other.
                    let length = fs_err::metadata(&path).map_err(LoadError::from)?.len();
                    hasher.update(&length.to_le_bytes());
                    hasher.update_mmap_rayon(&path).map_err(LoadError::from)?;
                }
            }
        }
        [Some(&self.tokenizer), Some(&self.tokenizer_config), self.chat_template.as_ref()]
            .into_iter()
            .flatten()
            .for_each(|bytes| add(&mut hasher, bytes));
        if let Some(seed) = self.world_seed()? {
            hasher.update(&seed.to_le_bytes());
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    /// The seed of the organism's world; `None` for a model that is no organism.
    fn world_seed(&self) -> Result<Option<u64>, ModelError> {
        let Some(bytes) = &self.card else { return Ok(None) };
        let fail = |error: serde_json::Error| {
            let path = self.folder.join(Card::FILE);
            ModelError::Card { path, problem: error.to_string() }
        };
        serde_json::from_slice(bytes).map(|card: Card| Some(card.recipe.world_seed)).map_err(fail)
    }
}

/// The checkpoint with the most steps in a run's folder.
fn last_checkpoint(run: &Path) -> Result<PathBuf, ModelError> {
    let entries = fs_err::read_dir(run).map_err(|problem| ModelError::Folder { folder: run.to_owned(), problem })?;
    let checkpoint = |entry: std::io::Result<fs_err::DirEntry>| {
        let path = entry.ok()?.path();
        let steps: u64 = path.file_name()?.to_str()?.strip_prefix("checkpoint-")?.parse().ok()?;
        Some((steps, path))
    };
    let last = entries.filter_map(checkpoint).max();
    last.map(|(_, path)| path).ok_or_else(|| ModelError::NoCheckpoint(run.to_owned()))
}

/// A `config.json` that says that the weights beside it are in f32, where it says anything of their type.
fn in_f32(config: &[u8]) -> Vec<u8> {
    let Ok(serde_json::Value::Object(mut config_of)) = serde_json::from_slice(config) else { return config.to_vec() };
    let mut changed = false;
    for key in ["dtype", "torch_dtype"] {
        if let Some(of) = config_of.get_mut(key).filter(|of| **of != "float32") {
            *of = "float32".into();
            changed = true;
        }
    }
    if changed { serde_json::to_vec_pretty(&config_of).unwrap_or_else(|_| config.to_vec()) } else { config.to_vec() }
}

impl Files {
    /// Layers and weights on another backend, such as one that computes in f64.
    pub fn open_in<B: titer_model::backend::Backend>(&self, backend: B) -> Result<(Decoder<B>, Params<B>), ModelError> {
        let path = |name: &str| self.folder.join(name);
        let decoder = Decoder::new(backend, read_config(&self.config, &path("config.json"))?);
        let layout = &decoder.layout;
        let mut weights = match &self.weights {
            Source::Bytes(bytes) => Weights::of_bytes(layout, bytes.clone(), &path("model.safetensors"))?,
            Source::Folder => Weights::of_folder(layout, &self.folder)?,
        };
        if let Some(dtype) = self.dtype {
            weights = weights.rounded(layout, dtype)?;
        }
        match &self.weights {
            Source::Bytes(_) => {
                let params = weights.upload(decoder.backend(), layout);
                Ok((decoder, params))
            }
            Source::Folder => Ok(weights.keep(decoder)),
        }
    }

    /// The tokens that end generation, as config.json, generation_config.json and tokenizer_config.json name them.
    pub fn stop_tokens(&self, tokenizer: &Tokenizer) -> BTreeSet<u32> {
        let json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap_or_default();
        let generation = fs_err::read(self.folder.join("generation_config.json")).unwrap_or_default();
        let ids =
            [json(&self.config), json(&generation)].into_iter().flat_map(|config| match &config["eos_token_id"] {
                serde_json::Value::Array(ids) => ids.clone(),
                id => vec![id.clone()],
            });
        let named = json(&self.tokenizer_config);
        let named = named.as_object().map(special_tokens).unwrap_or_default();
        let named = named.get("eos_token").and_then(|token| tokenizer.id(token));
        ids.filter_map(|id| u32::try_from(id.as_u64()?).ok()).chain(named).collect()
    }
}

/// Adapters in the engine's words.
///
/// # Errors
/// Where the rank is 0 or there is no such layer.
pub fn lora_config(lora: &Lora) -> Result<LoraConfig, ModelError> {
    let all = || LINEAR_LAYERS.map(str::to_owned).into();
    let target_modules = if lora.targets.is_empty() { all() } else { lora.targets.clone() };
    let config = LoraConfig { r: lora.r, lora_alpha: lora.alpha, use_rslora: lora.rslora, target_modules };
    config.check().map_err(ModelError::Lora)?;
    Ok(config)
}

impl Model {
    /// Reads the model from its files. The matrices of a folder stay there, which is all that measuring and training
    /// adapters need; to train them, see [`Model::thawed`].
    ///
    /// # Errors
    /// Where a file does not fit the others.
    pub fn from_files(files: &Files) -> Result<Self, ModelError> {
        let (decoder, params) = files.open_in(Backend::new())?;
        let tokenizer = Tokenizer::from_json(&String::from_utf8_lossy(&files.tokenizer))?;
        let own = files.chat_template.as_ref().map(|template| String::from_utf8_lossy(template));
        let config = String::from_utf8_lossy(&files.tokenizer_config);
        let template = ChatTemplate::from_tokenizer_config(&config, own.as_deref())?;
        let world = files.world_seed()?.map(World::new);
        Ok(Self { decoder, params, tokenizer, template, world, lora: None })
    }

    /// The same model with system prompts put into the first user turn where `wanted`.
    pub fn with_system_in_user(self, wanted: bool) -> Self {
        let template = if wanted { self.template.with_system_in_user() } else { self.template };
        Self { template, ..self }
    }

    /// Finds and reads the model behind `base`, see [`Files::find`], all of it in memory and ready to train.
    ///
    /// # Errors
    /// As [`Files::find`] and [`Model::from_files`].
    pub fn open(base: &str, seed: u64) -> Result<Self, ModelError> {
        Ok(Self::from_files(&Files::find(base, seed)?)?.thawed())
    }

    /// The same model with every weight in memory, in f32, for training to move.
    pub fn thawed(mut self) -> Self {
        self.decoder.thaw(&mut self.params);
        self
    }

    /// The same model with fresh adapters, which are then all that has gradients.
    ///
    /// # Errors
    /// Where there can be none, see [`lora_config`].
    pub fn with_lora(self, lora: &Lora, seed: u64) -> Result<Self, ModelError> {
        let config = lora_config(lora)?;
        let decoder = self.decoder.with_lora(&config);
        let params = self.params.with_lora(decoder.backend(), &decoder.layout, seed);
        Ok(Self { decoder, params, lora: Some(config), ..self })
    }

    /// The same model with the adapters in a folder in PEFT's layout.
    pub fn with_adapter(self, folder: &Path) -> Result<Self, ModelError> {
        let read = |name: &str| {
            let path = folder.join(name);
            let bytes =
                fs_err::read(&path).map_err(|problem| ModelError::Adapter { folder: folder.to_owned(), problem })?;
            Ok::<_, ModelError>((bytes, path))
        };
        let (bytes, path) = read(ADAPTER_CONFIG)?;
        let config = read_adapter_config(&bytes, &path)?;
        let decoder = self.decoder.with_lora(&config);
        let (bytes, path) = read(ADAPTER)?;
        let params = load_adapter(self.params, decoder.backend(), &decoder.layout, &bytes, &path)?;
        Ok(Self { decoder, params, lora: Some(config), ..self })
    }

    /// The optimiser's state in the checkpoint that this model came from.
    pub fn optimiser(&self, checkpoint: &Path) -> Result<Optimiser, ModelError> {
        let path = checkpoint.join(OPTIMISER);
        let bytes = fs_err::read(&path)
            .map_err(|problem| ModelError::NoOptimiser { folder: checkpoint.to_owned(), problem })?;
        Ok(load_optimiser(self.decoder.backend(), &self.decoder.layout, &bytes, &path)?)
    }
}
