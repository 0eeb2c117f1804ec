//! A forecast of a sweep in a file, for its report to show beside what was measured.

use std::{io, path::Path};

use serde::{Deserialize, Serialize};

use super::{
    calibration::Calibration,
    page::Dials,
    runs::{ArmForecast, RunForecast, forecast_arms},
};
use crate::plan::SweepPlan;

/// What was forecast of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedForecast {
    /// [`SavedForecast::FORMAT`]
    pub format: u32,
    /// Every arm and probe, averaged over seeds.
    #[serde(rename = "told")]
    pub arms: Vec<ArmForecast>,
    /// The first seed's kernel, with dials.
    pub dials: Dials,
}

impl SavedForecast {
    /// Where a sweep's folder has it; beside a spec its name goes before.
    pub const FILE: &str = "forecast.json";
    /// Raised whenever an older file would draw other curves.
    pub const FORMAT: u32 = 4;

    /// The forecast of a sweep's runs; `None` where no run trains.
    pub fn of(plan: &SweepPlan, runs: &[RunForecast<'_>], calibration: &Calibration) -> Option<Self> {
        let dials = runs.first().and_then(|first| Dials::of(first.kernel, plan, calibration))?;
        Some(Self { format: Self::FORMAT, arms: forecast_arms(plan, runs), dials })
    }

    /// Whether a file is one, of whatever format, so that it may be replaced.
    pub fn is_in(path: &Path) -> bool {
        let ours = |value: serde_json::Value| ["format", "told", "dials"].iter().all(|key| value.get(key).is_some());
        fs_err::read(path).is_ok_and(|bytes| serde_json::from_slice(&bytes).is_ok_and(ours))
    }

    /// The forecast in a sweep's folder; `None` where there is none.
    ///
    /// # Errors
    /// Where the file cannot be read, or is of another version.
    pub fn read(sweep_dir: &Path) -> io::Result<Option<Self>> {
        let path = sweep_dir.join(Self::FILE);
        if !path.exists() {
            return Ok(None);
        }
        let fail = |problem: String| {
            let problem = format!("{}: no forecast of this titer: {problem}; remove it", path.display());
            io::Error::new(io::ErrorKind::InvalidData, problem)
        };
        // The format first: a newer file may have other fields.
        let json: serde_json::Value =
            serde_json::from_slice(&fs_err::read(&path)?).map_err(|error| fail(error.to_string()))?;
        if json["format"] != Self::FORMAT {
            return Err(fail(format!("its format is {}, this titer reads {}", json["format"], Self::FORMAT)));
        }
        serde_json::from_value(json).map(Some).map_err(|error| fail(error.to_string()))
    }
}
