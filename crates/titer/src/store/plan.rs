//! `plan.toml` of a run: its format, and what is read of it.

use std::path::Path;

use serde::Deserialize;

use super::{Damage, FileFormat, StoreError};
use crate::{
    plan::{ModelPlan, RunPlan},
    spec::{SpecError, parse_toml},
};

/// What is read of a run's `plan.toml`.
#[derive(Clone, Debug, Deserialize)]
pub struct StoredPlan {
    /// The text of the file.
    #[serde(skip)]
    pub text: String,
    /// The format of the run's folder.
    #[serde(skip)]
    pub format: u32,
    /// The seed.
    pub seed: u64,
    /// The user's own rows, if they were trained on; what the table says is not read back.
    #[serde(default)]
    pub data: Option<toml::Table>,
    /// What was trained.
    #[serde(rename = "stage")]
    pub stages: Vec<StoredStage>,
}

/// A stage of a [`StoredPlan`].
#[derive(Clone, Debug, Deserialize)]
pub struct StoredStage {
    /// Its name.
    pub name: String,
    /// Its optimiser steps.
    pub steps: i64,
}

impl StoredPlan {
    /// The file's name in a run's folder.
    pub const FILE: &str = "plan.toml";
    /// Formats of a run's folder, which its plan says for all its files. 1: `done` is empty, and `start` events know no claims.
    pub const FORMAT: FileFormat =
        FileFormat { known: 2, oldest: 1, unsaid: Some(1), remedy: "delete the run's folder and run the spec again" };
    /// The first format whose `done` vouches for files.
    pub(super) const VOUCHES: u32 = 2;

    /// A plan as it is stored: its format, which is no part of what names the run, and the plan.
    pub(super) fn text(plan: &RunPlan) -> String {
        format!("format = {}\n{}", Self::FORMAT.known, plan.to_toml())
    }

    /// The model that the run began with, and how it is computed.
    ///
    /// # Errors
    /// Where the plan does not say it.
    pub fn model(&self, run: &Path) -> Result<ModelPlan, Damage> {
        #[derive(Deserialize)]
        struct Planned {
            model: ModelPlan,
        }
        let damage = |error: SpecError| Damage { dir: run.to_owned(), problem: error.headline() };
        Ok(parse_toml::<Planned>(&self.text, &run.join(Self::FILE)).map_err(damage)?.model)
    }

    /// The plan in a run's folder.
    ///
    /// # Errors
    /// [`StoreError::Format`]; [`StoreError::Damaged`] with file and line where it cannot be read.
    pub fn read(run: &Path) -> Result<Self, StoreError> {
        let path = run.join(Self::FILE);
        let damage = |problem: String| Damage { dir: run.to_owned(), problem };
        let text = fs_err::read_to_string(&path).map_err(|error| damage(error.to_string()))?;
        let table = parse_toml(&text, &path).map_err(|error| damage(error.headline()))?;
        let format = Self::FORMAT.of_toml(&path, &table)?;
        let plan: Self = parse_toml(&text, &path).map_err(|error| damage(error.headline()))?;
        Ok(Self { text, format, ..plan })
    }
}
