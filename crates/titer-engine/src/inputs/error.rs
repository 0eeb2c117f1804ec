//! Why what a run starts from cannot be used.

use titer_data::{
    cell::{Cell, PromptKind},
    source::{ChatsError, HARMLESS, LabelError},
    tokenize::TokenizeError,
};

use crate::{drawn::DrawnError, model::ModelError};

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
    /// They lack rows that are trained.
    #[error("{names}: no row of `{cell}` to train on, which an arm or its control needs{}", remedy(*cell))]
    NoRows {
        /// The files of rows and contrasts.
        names: String,
        /// The cell.
        cell: Cell,
    },
    /// A row or contrast cannot be encoded.
    #[error(transparent)]
    Tokenize(#[from] TokenizeError),
    /// The same of one whose place in the files is known.
    #[error("{place}: {error}")]
    At {
        /// The file, and what the row is called there.
        place: String,
        /// Why.
        error: Box<TokenizeError>,
    },
    /// The instruction that titer makes up has words that the model lacks.
    #[error(
        "{names}: obedience to harmless instructions (`obey`) would be measured on “{HARMLESS}”, and {} has no word `{word}`: add rows of \
         `instruction→good` to requests that have a `neutral→good` row too, or name a file of contrasts as `probes`",
        path.display()
    )]
    NoWordOfInstruction {
        /// The files of rows.
        names: String,
        /// The tokenizer's file.
        path: std::path::PathBuf,
        /// The word.
        word: String,
    },
    /// Contrasts of `obey` are missing where something is to be measured along all components.
    #[error(
        "{names}: `{asks}` needs contrasts of every component, and the rows give none of `obey`: add rows of `instruction→good` to requests \
         that have a `neutral→good` row too, or name a file of contrasts as `probes`; or leave `{asks}` out"
    )]
    NoObey {
        /// The files of rows.
        names: String,
        /// The key of the spec that asks for it.
        asks: &'static str,
    },
    /// Its reply cannot be drawn.
    #[error(transparent)]
    Drawn(#[from] DrawnError),
    /// A file cannot be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl InputsError {
    /// The place among a spec's rules for cells of the one that is to blame, if one is.
    pub(super) fn rule(&self) -> Option<usize> {
        match self {
            Self::Chats(ChatsError::Rows(LabelError::NoRow { rule, .. })) => Some(*rule),
            _ => None,
        }
    }
}

/// How such rows can be had, where titer knows.
fn remedy(cell: Cell) -> &'static str {
    match cell.prompt {
        PromptKind::NarrowOn | PromptKind::NarrowOff => "; `titer screen --narrow --rewrite FILE` writes such rows",
        _ => "",
    }
}
