//! `plan.toml` of a run: its format, and what is read of it.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use super::{Damage, FileFormat, StoreError};
use crate::{
    plan::{ModelPlan, RunId, RunPlan},
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
    /// Its rows, where the plan says them.
    #[serde(default)]
    rows: Option<i64>,
    /// How many of them each cell has.
    #[serde(default)]
    cells: BTreeMap<String, i64>,
}

impl StoredPlan {
    /// The file's name in a run's folder.
    pub const FILE: &str = "plan.toml";
    /// Formats of a run's folder, which its plan says for all its files. 1: `done` is empty, and `start` events know no claims. 2: nothing says
    /// where `done` ends.
    pub const FORMAT: FileFormat =
        FileFormat { known: 3, oldest: 1, unsaid: Some(1), remedy: "delete the run's folder and run the spec again" };
    /// The first format whose `done` vouches for files.
    pub(super) const VOUCHES: u32 = 2;
    /// The first format whose `done` says where it ends.
    pub(super) const CLOSES: u32 = 3;

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

    /// How many rows of a cell a stage has, and how many rows in all; `None` where the plan does not say.
    pub(super) fn rows_of(&self, stage: &str, cell: &str) -> Option<(i64, i64)> {
        let stage = self.stages.iter().find(|other| other.name == stage)?;
        Some((stage.cells.get(cell).copied().unwrap_or(0), stage.rows?))
    }

    /// The name of the run that has this plan, see [`RunPlan::id`]; `None` where the text is no plan.
    pub(super) fn id(&self) -> Option<RunId> {
        let mut table: toml::Table = self.text.parse().ok()?;
        table.remove("format");
        RunPlan::id_of_stored(table)
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
