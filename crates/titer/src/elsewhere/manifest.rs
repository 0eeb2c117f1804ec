//! `manifest.toml` of an export: what another trainer was given.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{RowForm, Trainer};
use crate::{
    plan::RunId,
    spec::{Compute, DeviceName, Spec, SpecError, parse_toml},
    store::{FileFormat, FormatError},
};

/// What another trainer was given: every run of a spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The file's format, see [`Manifest::FORMAT`].
    pub format: u32,
    /// Version of titer that wrote it.
    pub titer: String,
    /// Who trains.
    pub trainer: Trainer,
    /// The spec's title.
    pub title: String,
    /// Where the spec was, from which it names its files.
    pub spec_path: PathBuf,
    /// The spec as written.
    pub spec: String,
    /// The model that took the place of the spec's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// What frozen weights are multiplied in, in place of what the spec says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute: Option<Compute>,
    /// Where the model is computed, in place of what the spec says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceName>,
    /// Whether it is a quick cut of the spec.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub quick: bool,
    /// The seeds of every arm.
    pub seeds: Vec<u64>,
    /// What is trained: all weights, or adapters.
    pub trains: String,
    /// What the trainer does otherwise, a sentence each.
    pub not_carried: Vec<String>,
    /// The runs.
    #[serde(rename = "run")]
    pub runs: Vec<ExportedRun>,
}

/// A run of a [`Manifest`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportedRun {
    /// The run that titer would have made.
    pub run: RunId,
    /// The arms that have it.
    pub arms: Vec<String>,
    /// Its seed.
    pub seed: u64,
    /// The model that it starts from, as configurations name it.
    pub model: String,
    /// The hash of that model's files.
    pub model_blake3: String,
    /// Its stages, those without steps left out.
    #[serde(rename = "stage", default)]
    pub stages: Vec<ExportedStage>,
}

/// A stage of an [`ExportedRun`]. Paths are seen from the folder of the export.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportedStage {
    /// Its name.
    pub name: String,
    /// The file of its rows.
    pub file: String,
    /// The hash of that file.
    pub blake3: String,
    /// How rows are written.
    pub form: RowForm,
    /// How many there are.
    pub rows: usize,
    /// Optimiser steps.
    pub steps: usize,
    /// Tokens that carry loss, of all rows.
    pub trained_tokens: usize,
    /// The configuration.
    pub configuration: String,
    /// Where its result goes.
    pub to: String,
}

/// Why a folder is no export that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// There is none.
    #[error("{} holds no export: there is no manifest.toml; name the folder that `titer export` wrote", .0.display())]
    None(PathBuf),
    /// It is of a format that is not read.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// It does not say what it should.
    #[error(transparent)]
    Toml(#[from] SpecError),
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Manifest {
    /// The file's name in an export's folder.
    pub const FILE: &str = "manifest.toml";
    /// The file's formats.
    pub const FORMAT: FileFormat =
        FileFormat { known: 1, oldest: 1, unsaid: None, remedy: "export the spec again with this titer" };

    /// The manifest in an export's folder.
    ///
    /// # Errors
    /// Where there is none, or it cannot be read.
    pub fn read(export: &Path) -> Result<Self, ManifestError> {
        let path = export.join(Self::FILE);
        if !path.exists() {
            return Err(ManifestError::None(export.to_owned()));
        }
        let text = fs_err::read_to_string(&path)?;
        Self::FORMAT.of_toml(&path, &parse_toml(&text, &path)?)?;
        Ok(parse_toml(&text, &path)?)
    }

    /// The file's text.
    pub fn text(&self) -> String {
        toml::to_string(self).expect("a manifest is plain data")
    }

    /// The spec that was exported, with what the command put in place of its own.
    ///
    /// # Errors
    /// Where it makes no sense.
    pub fn open_spec(&self) -> Result<Spec, SpecError> {
        let mut spec = Spec::parse(&self.spec, &self.spec_path)?;
        spec.base = self.base.clone().or(spec.base);
        spec.compute = self.compute.or(spec.compute);
        spec.device = self.device.or(spec.device);
        if self.quick {
            spec.cut();
        }
        spec.seeds = Some(self.seeds.clone());
        Ok(spec)
    }
}

impl ExportedRun {
    /// Its first arm and its seed, as messages and `--run` name it.
    pub fn name(&self) -> String {
        format!("{}/{}", self.arms.first().map_or("", String::as_str), self.seed)
    }
}
