//! Why a model cannot be used.

use std::path::PathBuf;

use titer::store::FormatError;
use titer_data::{template::TemplateError, tokenize::TokenizeError};
use titer_model::io::LoadError;

use crate::device::DeviceError;

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
    /// A file that a tokenizer or a chat template is read from is missing or unreadable.
    #[error(
        "{folder} has no tokenizer and chat template: {problem}; it needs tokenizer.json and tokenizer_config.json, but no weights"
    )]
    Reader {
        /// The folder.
        folder: PathBuf,
        /// What is missing.
        problem: std::io::Error,
    },
    /// A folder with weights of a model, and an adapter beside them.
    #[error(
        "{folder} holds a model and an adapter (adapter_config.json): transformers would compute with the adapter, titer takes it only \
         where it is named. Move adapter_config.json and adapter_model.safetensors to a folder of their own and name that with --adapter, \
         or remove them where they are merged into the model already"
    )]
    AdapterInside {
        /// The folder.
        folder: PathBuf,
    },
    /// An adapter where a model was asked for.
    #[error(
        "{folder} holds an adapter and no model: name its base model ({base}) here, and this folder with --adapter"
    )]
    OnlyAdapter {
        /// The folder.
        folder: PathBuf,
        /// What the adapter says of its base.
        base: String,
    },
    /// The weights of a run are not those that it wrote.
    #[error("{0}")]
    Damaged(String),
    /// Tokenizer and embedding table are of different models.
    #[error(
        "{tokenizer} does not belong to {config}: {rows} rows in the embedding table (`vocab_size`), and {problem}; take the tokenizer \
         that the model was trained with, or resize the model's embeddings to the tokenizer"
    )]
    Vocabulary {
        /// The tokenizer's file.
        tokenizer: PathBuf,
        /// The config's.
        config: PathBuf,
        /// Rows of the table.
        rows: usize,
        /// What does not fit, in a few words.
        problem: String,
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
    /// A run's folder, before the run is finished.
    #[error(
        "the run in {} is not finished: finish it with `titer run`{}",
        run.display(),
        checkpoint.as_ref().map_or_else(String::new, |path| format!(", or name what it has saved so far, such as {}", path.display()))
    )]
    Unfinished {
        /// The run's folder.
        run: PathBuf,
        /// The last checkpoint that it has saved, if any.
        checkpoint: Option<PathBuf>,
    },
    /// There is no such number type; the text is one sentence.
    #[error("{0}")]
    Dtype(String),
    /// It cannot be computed in this number type; the text is one sentence.
    #[error("{0}")]
    Compute(String),
    /// A device has too little memory for it; the text is one sentence, and says what would fit.
    #[error("{0}")]
    Memory(String),
    /// It cannot be computed where that is asked for.
    #[error(transparent)]
    Device(#[from] DeviceError),
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
    /// It is in the folder of a run whose format is not read.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The card beside the weights does not; the text is one sentence that names it.
    #[error("{0}")]
    Card(String),
    /// A file that is text is not UTF-8.
    #[error("{}: not UTF-8 from byte {byte} on: save the file as UTF-8", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
        /// The first byte that is none, from 1.
        byte: usize,
    },
    /// The folder names special tokens that the tokenizer does not have as it says, so that transformers would read other tokens.
    #[error("{}: {problem}; titer takes tokens as tokenizer.json has them: mend that, or save the tokenizer anew with transformers", path.display())]
    SpecialTokens {
        /// The file that names them.
        path: PathBuf,
        /// What it says, and what there is.
        problem: String,
    },
    /// A file that says how generation ends is no JSON.
    #[error("{path}: {problem}")]
    Generation {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, with the line.
        problem: serde_json::Error,
    },
}
