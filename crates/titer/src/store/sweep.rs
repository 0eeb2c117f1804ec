//! The folder of one sweep.

use std::{
    collections::BTreeMap,
    fs::TryLockError,
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::run::{RunDir, write_whole};
use crate::plan::{RunId, RunPlan, SweepPlan};

/// Why a sweep's folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder holds something else.
    #[error("{0} holds something that titer did not write; choose another folder with --out")]
    Foreign(PathBuf),
    /// Another process writes there.
    #[error("another titer is writing to {0}; wait for it, or choose another folder with --out")]
    Locked(PathBuf),
    /// There is no sweep.
    #[error("{0} holds no sweep: there is no sweep.toml; name the folder that `titer run` wrote")]
    NoSweep(PathBuf),
    /// `sweep.toml` does not say what it should.
    #[error("{path}: {problem}; was it written by another version of titer?")]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// `sweep.toml`: what the sweep is, and which run is which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepRecord {
    /// Version of this file's format.
    pub format: u32,
    /// Version of titer that planned the sweep.
    pub titer: String,
    /// The spec's title.
    pub title: String,
    /// The spec's question.
    pub question: String,
    /// The command that ran it.
    pub command: String,
    /// The spec as written.
    pub spec: String,
    /// Whether it is a quick cut of the spec: fewer seeds, smaller probes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub quick: bool,
    /// The seeds of every arm.
    pub seeds: Vec<u64>,
    /// The swept axes.
    pub axis: Vec<AxisRecord>,
    /// The arms.
    pub arm: Vec<ArmRecord>,
}

/// A swept axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AxisRecord {
    /// Its name.
    pub name: String,
    /// Its values, in the order of the spec.
    pub values: Vec<toml::Value>,
}

/// An arm and its runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmRecord {
    /// Its name.
    pub name: String,
    /// Index of its control.
    pub control: usize,
    /// The run of each seed, in the order of the seeds.
    pub runs: Vec<RunId>,
    /// Whether it trains bad actions under prompts that ask for them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inoculates: bool,
    /// Index of each of its controls of inoculation, by the control's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inoculation: BTreeMap<String, usize>,
    /// The value of each axis.
    pub settings: toml::Table,
}

/// A planned run of a sweep.
#[derive(Clone, Debug)]
pub struct StoredRun {
    /// Its name.
    pub id: RunId,
    /// Index of its arm.
    pub arm: usize,
    /// Its seed.
    pub seed: u64,
    /// Its folder.
    pub dir: PathBuf,
    /// Whether it is finished.
    pub done: bool,
}

/// A sweep's folder.
#[derive(Debug)]
pub struct Sweep {
    dir: PathBuf,
    record: SweepRecord,
    /// Held as long as this process writes; the file stays.
    _lock: Option<std::fs::File>,
}

impl Sweep {
    const FORMAT: u32 = 1;
    const FILE: &str = "sweep.toml";

    /// Opens the folder for writing, creating it if it is missing. Runs that another version of the spec left there
    /// stay, and those that this one shares are reused.
    ///
    /// # Errors
    /// Where the folder holds something else, or another process writes there.
    pub fn create(dir: &Path, plan: &SweepPlan, runs: &[(usize, RunPlan)]) -> Result<Self, StoreError> {
        let marker = dir.join(Self::FILE);
        let starting = dir.join(".sweep.toml.lock");
        let ours = if marker.exists() {
            // A sweep.toml may also be the user's own; titer's, of any version, says so in its first lines.
            let record: Option<toml::Table> = toml::from_str(&fs_err::read_to_string(&marker)?).ok();
            record.is_some_and(|record| record.contains_key("format") && record.contains_key("titer"))
        } else {
            !dir.exists() || starting.exists() || (dir.is_dir() && fs_err::read_dir(dir)?.next().is_none())
        };
        if !ours {
            return Err(StoreError::Foreign(dir.to_owned()));
        }
        fs_err::create_dir_all(dir)?;
        let lock = fs_err::OpenOptions::new().create(true).append(true).open(&starting)?.into_parts().0;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked(dir.to_owned())),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let arm = |(at, arm): (usize, &crate::plan::Arm)| ArmRecord {
            name: arm.name.clone(),
            control: arm.control,
            runs: runs.iter().filter(|(of, _)| *of == at).map(|(_, plan)| plan.id()).collect(),
            inoculates: arm.inoculates(),
            inoculation: arm.inoculation.iter().map(|(kind, at)| (kind.word().to_owned(), *at)).collect(),
            settings: arm.settings.iter().cloned().collect(),
        };
        let axis =
            |(name, values): &(String, Vec<toml::Value>)| AxisRecord { name: name.clone(), values: values.clone() };
        let record = SweepRecord {
            format: Self::FORMAT,
            titer: env!("CARGO_PKG_VERSION").to_owned(),
            title: plan.title.clone(),
            question: plan.question.clone(),
            command: plan.command.clone(),
            spec: plan.spec_text.clone(),
            quick: plan.quick,
            seeds: plan.seeds.clone(),
            axis: plan.axes.iter().map(axis).collect(),
            arm: plan.arms.iter().enumerate().map(arm).collect(),
        };
        write_whole(&marker, toml::to_string(&record).expect("a record is plain data").as_bytes())?;
        Ok(Self { dir: dir.to_owned(), record, _lock: Some(lock) })
    }

    /// Opens a sweep to read it.
    ///
    /// # Errors
    /// Where there is none, or its record cannot be read.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(Self::FILE);
        if !path.exists() {
            return Err(StoreError::NoSweep(dir.to_owned()));
        }
        let text = fs_err::read_to_string(&path)?;
        let broken = |problem: String| StoreError::Broken { path: path.clone(), problem };
        let record: SweepRecord = toml::from_str(&text).map_err(|error| broken(error.message().to_owned()))?;
        if record.format != Self::FORMAT {
            return Err(broken(format!("format {}, this titer reads {}", record.format, Self::FORMAT)));
        }
        Ok(Self { dir: dir.to_owned(), record, _lock: None })
    }

    /// The sweep's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the sweep is.
    pub fn record(&self) -> &SweepRecord {
        &self.record
    }

    /// Every planned run, in the order of the arms.
    pub fn runs(&self) -> Vec<StoredRun> {
        let run = |arm: usize, id: &RunId, seed: u64| {
            let dir = self.dir.join(&id.0);
            let done = RunDir::is_done(&dir);
            StoredRun { id: id.clone(), arm, seed, dir, done }
        };
        let arms = self.record.arm.iter().enumerate();
        arms.flat_map(|(at, arm)| arm.runs.iter().zip(&self.record.seeds).map(move |(id, &seed)| run(at, id, seed)))
            .collect()
    }

    /// Starts the folder of a run for an arm, which its tables will name; what an interrupted one left there is removed.
    pub(crate) fn start(&self, plan: &RunPlan, arm: usize) -> io::Result<RunDir> {
        RunDir::start(self.dir.join(plan.id().0), &plan.to_toml(), self.record.labels(plan, arm))
    }

    /// Whether a planned run is finished.
    pub(crate) fn is_done(&self, plan: &RunPlan) -> bool {
        RunDir::is_done(&self.dir.join(plan.id().0))
    }
}
