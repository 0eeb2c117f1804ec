//! A forecast of a sweep in a file, for its report to show beside what was measured.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    calibration::Calibration,
    page::Dials,
    runs::{ArmForecast, RunForecast, forecast_arms, kernels},
};
use crate::{
    plan::SweepPlan,
    store::{FileFormat, FormatError},
};

/// What was forecast of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedForecast {
    /// The file's format, see [`SavedForecast::FORMAT`].
    pub format: u32,
    /// Every arm and probe, averaged over seeds.
    #[serde(rename = "told")]
    pub arms: Vec<ArmForecast>,
    /// The kernels, one a seed, with dials.
    pub dials: Dials,
}

impl SavedForecast {
    /// Where a sweep's folder has it; beside a spec its name goes before.
    pub const FILE: &str = "forecast.json";
    /// The file's formats; raised whenever an older file would draw other curves.
    pub const FORMAT: FileFormat = FileFormat {
        known: 6,
        oldest: 6,
        unsaid: None,
        remedy: "delete it, or write it anew with `titer forecast SPEC --out FILE`",
    };

    /// The forecast of a sweep's runs; `None` where no run trains.
    pub fn of(plan: &SweepPlan, runs: &[RunForecast<'_>], calibration: &Calibration) -> Option<Self> {
        let dials = Dials::of(&kernels(runs), plan, calibration)?;
        Some(Self { format: Self::FORMAT.known, arms: forecast_arms(plan, runs), dials })
    }

    /// Whether a file may be replaced: where it is a forecast of this format or an older one.
    ///
    /// # Errors
    /// Where it is none, or one of a newer titer.
    pub fn may_be_replaced(path: &Path) -> Result<(), ForecastFileError> {
        let other = || ForecastFileError::Other(path.to_owned());
        let json: serde_json::Value = serde_json::from_slice(&fs_err::read(path)?).map_err(|_| other())?;
        match Self::FORMAT.of_json(path, &json) {
            Err(error) if error.newer => Err(error.into()),
            _ if ["format", "told", "dials"].iter().all(|key| json.get(key).is_some()) => Ok(()),
            _ => Err(other()),
        }
    }

    /// The forecast in a sweep's folder; `None` where there is none.
    ///
    /// # Errors
    /// Where the file cannot be read, or is of another format.
    pub fn read(sweep_dir: &Path) -> Result<Option<Self>, ForecastFileError> {
        let path = sweep_dir.join(Self::FILE);
        if path.exists() { Self::open(&path).map(Some) } else { Ok(None) }
    }

    /// The forecast in a file.
    ///
    /// # Errors
    /// Where it cannot be read, or is of another format.
    pub fn open(path: &Path) -> Result<Self, ForecastFileError> {
        let broken = |error: serde_json::Error| ForecastFileError::Broken {
            path: path.to_owned(),
            problem: error.to_string(),
            remedy: Self::FORMAT.remedy,
        };
        let json = serde_json::from_slice(&fs_err::read(path)?).map_err(broken)?;
        Self::FORMAT.of_json(path, &json)?;
        serde_json::from_value(json).map_err(broken)
    }
}

/// Why a forecast in a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ForecastFileError {
    /// It cannot be read; the message names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is of a format that is not read.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// It is something else.
    #[error("{path} is no forecast; choose another file with --out", path = _0.display())]
    Other(PathBuf),
    /// It is no forecast that can be read.
    #[error("{path} is no forecast: {problem}; {remedy}", path = path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, with the line.
        problem: String,
        /// What to do.
        remedy: &'static str,
    },
}
