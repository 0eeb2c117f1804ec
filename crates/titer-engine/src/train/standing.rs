//! How a run stands between two stages, and its files: what a run that begins alike, or the same run after an interruption, goes on from.

use std::path::Path;

use titer::store::RunDir;
use titer_model::io::{load_moving, save_moving};

use super::{TrainError, drawn_file::DrawnFile, tables::Tables};
use crate::model::{Model, ModelError};

/// What training has moved.
const MODEL: &str = "model.safetensors";

/// How a run stands: what the next stage begins with.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) model: Model,
    pub(super) tables: Tables,
    pub(super) drawn: DrawnFile,
    /// Optimiser steps of its stages so far.
    pub(super) done: usize,
}

impl Standing {
    /// Before anything is trained or measured.
    pub(super) fn new(model: Model) -> Self {
        Self { model, tables: Tables::default(), drawn: DrawnFile::default(), done: 0 }
    }

    /// Writes it into a folder, with the checkpoints of the run so far.
    pub(super) fn save(&self, dir: &RunDir, folder: &Path) -> Result<(), TrainError> {
        let (backend, layout) = (self.model.decoder.backend(), &self.model.decoder.layout);
        fs_err::write(folder.join(MODEL), save_moving(backend, layout, &self.model.params))?;
        self.tables.save(folder)?;
        self.drawn.save(folder)?;
        checkpoints(&dir.path(""), folder)?;
        Ok(())
    }

    /// Reads what [`Standing::save`] wrote for a run of this model, `done` optimiser steps into it, and puts the checkpoints into the
    /// run's folder.
    pub(super) fn load(mut model: Model, done: usize, dir: &RunDir, folder: &Path) -> Result<Self, TrainError> {
        let path = folder.join(MODEL);
        let (backend, layout) = (model.decoder.backend().clone(), &model.decoder.layout);
        load_moving(&backend, layout, &mut model.params, &fs_err::read(&path)?, &path).map_err(ModelError::from)?;
        let (tables, drawn) = (Tables::load(folder)?, DrawnFile::load(folder)?);
        drawn.put(dir)?;
        for checkpoint in checkpoints(folder, &dir.path(""))? {
            dir.wrote(&checkpoint);
        }
        Ok(Self { model, tables, drawn, done })
    }
}

/// Copies the checkpoints of one folder to another; what they are called.
fn checkpoints(from: &Path, to: &Path) -> Result<Vec<String>, TrainError> {
    let mut copied = Vec::new();
    for entry in fs_err::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with("checkpoint-") {
            continue;
        }
        let folder = to.join(entry.file_name());
        fs_err::create_dir_all(&folder)?;
        for file in fs_err::read_dir(entry.path())? {
            let file = file?;
            fs_err::copy(file.path(), folder.join(file.file_name()))?;
        }
        copied.push(name);
    }
    Ok(copied)
}
