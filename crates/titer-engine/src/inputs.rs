//! What a spec asks for, looked at before its runs start: the model behind it, the user's own rows, and whether they fit.

use std::{collections::BTreeMap, path::Path};

use titer::plan::{self, DataPlan, RunPlan, StagePlan, SweepPlan};
use titer_data::{
    cell::{Cell, PromptKind},
    source::{Chats, ChatsError, DataFiles, Source},
    tokenize::{TokenizeError, encode_contrast, encode_row},
};
use titer_model::stored::Dtype;

use crate::{
    guard::rows,
    model::{Files, Model, ModelError},
    rows::{Rows, RowsError},
};

/// Why a run's model or rows cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InputsError {
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
    /// A contrast cannot be encoded.
    #[error(transparent)]
    Tokenize(#[from] TokenizeError),
    /// A row cannot be trained on.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// A file cannot be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// The world of an organism.
fn world(model: &Model, base: &str) -> Result<Source, InputsError> {
    let none = || InputsError::NoWorld { base: base.to_owned() };
    model.world.clone().map(Source::from).ok_or_else(none)
}

/// The files and the model of a run, ready to train, and its rows, where they still are what was planned for.
///
/// # Errors
/// Where they are not, or cannot be used.
pub fn prepare(plan: &RunPlan) -> Result<(Files, Model, Source), InputsError> {
    let files = Files::find(&plan.model.base, plan.seed)?.rounded(dtype(plan.model.dtype.as_deref())?);
    if files.hash()? != plan.model.blake3 {
        return Err(InputsError::ModelChanged { base: plan.model.base.clone() });
    }
    let model = Model::from_files(&files)?;
    let model = match &plan.model.lora {
        Some(lora) => model.with_lora(lora, plan.seed)?,
        None => model.thawed(),
    };
    let source = match &plan.data {
        Some(data) if data_hash(&data.files)? != data.blake3 => {
            return Err(InputsError::DataChanged { names: data.files.names() });
        }
        Some(data) => Source::Chats(Chats::read(&data.files)?),
        None => world(&model, &plan.model.base)?,
    };
    Ok((files, model.with_system_in_user(plan.model.system_in_user), source))
}

/// The model of a run as it stands in one of the run's checkpoints, and the rows.
///
/// # Errors
/// As [`prepare`], and where the checkpoint cannot be read.
pub fn at_checkpoint(plan: &RunPlan, checkpoint: &Path) -> Result<(Model, Source), InputsError> {
    let (files, _, source) = prepare(plan)?;
    let model = match plan.model.lora {
        Some(_) => Model::from_files(&files)?.with_adapter(checkpoint)?,
        None => Model::from_files(&Files::find(&checkpoint.display().to_string(), plan.seed)?)?.thawed(),
    };
    Ok((model.with_system_in_user(plan.model.system_in_user), source))
}

/// The planned model behind `base` for a seed: found and readable, and with a world to make rows from where there are no
/// others (`has_data`).
///
/// # Errors
/// Where a run could not start with it.
pub fn plan_model(base: &str, seed: u64, has_data: bool) -> Result<plan::ModelPlan, InputsError> {
    let files = Files::find(base, seed)?;
    let model = Model::from_files(&files)?;
    if !has_data {
        world(&model, base)?;
    }
    Ok(plan::ModelPlan { base: base.to_owned(), blake3: files.hash()?, dtype: None, lora: None, system_in_user: false })
}

/// The number type of this name, if any.
///
/// # Errors
/// Where there is no such type.
pub fn dtype(word: Option<&str>) -> Result<Option<Dtype>, ModelError> {
    word.map(|word| word.parse().map_err(ModelError::Dtype)).transpose()
}

/// The planned rows and contrasts: readable, and with rows of every cell that is trained.
///
/// # Errors
/// Where a run could not start with them.
pub fn plan_data(data: &DataFiles, cells: impl Iterator<Item = Cell>) -> Result<DataPlan, InputsError> {
    let source = Source::Chats(Chats::read(data)?);
    if let Some(cell) = source.lacks(cells) {
        let remedy = match cell.prompt {
            PromptKind::NarrowOn | PromptKind::NarrowOff => "; `titer screen --narrow --rewrite FILE` writes such rows",
            _ => "",
        };
        let problem =
            format!("{}: no row of `{cell}` to train on, which an arm or its control needs{remedy}", data.names());
        return Err(ChatsError::Lacks(problem).into());
    }
    Ok(DataPlan { blake3: data_hash(data)?, files: data.clone() })
}

/// Whether a spec's own rows and contrasts are such that its model can be trained on them: every one is encoded once.
///
/// # Errors
/// The first that cannot be, as a run would fail on it.
pub fn fits(plan: &SweepPlan) -> Result<(), InputsError> {
    let Some(data) = &plan.data else { return Ok(()) };
    let seed = plan.seeds[0];
    let model = Model::from_files(&Files::find(&plan.base_of(seed), seed)?)?.with_system_in_user(plan.system_in_user);
    let chats = Chats::read(data)?;
    Rows::encode(&model, &chats.rows().cloned().collect::<Vec<_>>())?;
    for contrast in chats.contrasts() {
        encode_contrast(&model.template, &model.tokenizer, contrast)?;
    }
    Ok(())
}

fn data_hash(data: &DataFiles) -> std::io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    for path in data.files() {
        let bytes = fs_err::read(path)?;
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(&bytes);
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// The first row that each cell of these stages would train on, by cell (`anchor` before it for anchors), as the model's tokens,
/// those that carry loss in `[]`.
///
/// # Errors
/// As [`plan_model`] and [`plan_data`].
pub fn examples(plan: &SweepPlan, stages: &[StagePlan]) -> Result<BTreeMap<String, String>, InputsError> {
    let seed = plan.seeds[0];
    let base = plan.base_of(seed);
    let model = Model::from_files(&Files::find(&base, seed)?)?.with_system_in_user(plan.system_in_user);
    let source = match &plan.data {
        Some(data) => Source::Chats(Chats::read(data)?),
        None => world(&model, &base)?,
    };
    let mut shown = BTreeMap::new();
    for stage in stages {
        for (name, row) in rows::of_stage(&source, stage, seed) {
            if shown.contains_key(&name) {
                continue;
            }
            let encoded = encode_row(&model.template, &model.tokenizer, &row)?;
            let token = |(&id, &trained): (&u32, &bool)| {
                let token = model.tokenizer.token(id).unwrap_or_default();
                if trained { format!("[{token}]") } else { token }
            };
            let tokens: Vec<String> = encoded.tokens.iter().zip(&encoded.trained).map(token).collect();
            shown.insert(name, tokens.join(" "));
        }
    }
    Ok(shown)
}
