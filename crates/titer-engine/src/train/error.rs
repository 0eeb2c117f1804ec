//! Why a run cannot be finished.

use std::path::PathBuf;

use titer::table;
use titer_data::tokenize::TokenizeError;

use crate::{
    device::DeviceError, drawn::DrawnError, guard::GuardError, inputs::InputsError, model::ModelError,
    scoring::ScoringError, screen::SubjectsError, vector::VectorError,
};

/// Why a run could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The model or the rows cannot be used.
    #[error(transparent)]
    Inputs(#[from] InputsError),
    /// A row or contrast cannot be encoded.
    #[error(transparent)]
    Tokenize(#[from] TokenizeError),
    /// A prompt cannot be screened.
    #[error(transparent)]
    Scoring(#[from] ScoringError),
    /// Rows on which no prompt can be measured.
    #[error(transparent)]
    Subjects(#[from] SubjectsError),
    /// A guard cannot work.
    #[error("stage `{stage}`: {problem}")]
    Guard {
        /// Which stage.
        stage: String,
        /// Why not.
        problem: GuardError,
    },
    /// Its replies cannot be drawn.
    #[error("stage `{stage}`: {problem}")]
    Drawn {
        /// Which stage.
        stage: String,
        /// Why not.
        problem: DrawnError,
    },
    /// A vector cannot be had.
    #[error("stage `{stage}`: {problem}")]
    Vector {
        /// Which stage.
        stage: String,
        /// Why not.
        problem: VectorError,
    },
    /// Training went astray.
    #[error("the loss is {loss} at step {step} of stage `{stage}`: lower the learning rate or clip the gradient")]
    Diverged {
        /// Which stage.
        stage: String,
        /// Optimiser steps since the run began.
        step: usize,
        /// The loss found.
        loss: f64,
    },
    /// Whoever watches asked for it.
    #[error("stopped at step {step}; the same command goes on behind the stages that it has finished")]
    Stopped {
        /// Optimiser steps since the run began.
        step: usize,
    },
    /// The device failed, such as for want of memory.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// What another trainer left is not what the run trains.
    #[error("{} does not fit: {problem}", folder.display())]
    Unfit {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        problem: String,
    },
    /// A table or event could not be written.
    #[error(transparent)]
    Table(#[from] table::TableError),
    /// A checkpoint cannot be written.
    #[error(transparent)]
    Checkpoint(#[from] ModelError),
    /// The run folder could not be written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
