//! From a sweep's folder to its results.

use std::{io, path::Path};

use super::{ArmResults, RunResults, SweepResults, SweptAxis};
use crate::{
    plan::{RunId, Setting},
    store::{StoreError, StoredRun, Sweep},
    table::{self, GuardRecord, LedgerRecord, TableError, WarningRecord},
};

/// Why a sweep's results cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// The file system refused; the message names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The folder holds no sweep that can be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A table of a finished run cannot be read.
    #[error(transparent)]
    Table(#[from] TableError),
}

impl SweepResults {
    /// Reads a sweep and the tables of its finished runs.
    ///
    /// # Errors
    /// Where the folder holds no sweep, or a table of a finished run cannot be read.
    pub fn load(sweep_dir: &Path) -> Result<Self, ResultsError> {
        let sweep = Sweep::open(sweep_dir)?;
        let record = sweep.record();
        let axis = |axis: &crate::store::AxisRecord| SweptAxis {
            name: axis.name.clone(),
            values: axis.values.iter().map(Setting::of).collect(),
        };
        let arm = |(index, arm): (usize, &crate::store::ArmRecord)| ArmResults {
            name: arm.name.clone(),
            settings: arm.settings.iter().map(|(name, value)| (name.clone(), Setting::of(value))).collect(),
            control: (arm.control != index).then_some(arm.control),
            inoculates: arm.inoculates,
            inoculation: arm.inoculation.clone(),
            runs: Vec::new(),
        };
        let mut data = Self {
            title: record.title.clone(),
            question: record.question.clone(),
            axes: record.axis.iter().map(axis).collect(),
            arms: record.arm.iter().enumerate().map(arm).collect(),
            seeds: record.seeds.clone(),
            command: record.command.clone(),
            spec: record.spec.clone(),
            plan: String::new(),
            version: record.titer.clone(),
            quick: record.quick,
        };
        for stored in sweep.runs().into_iter().filter(|stored| stored.done) {
            if data.plan.is_empty() {
                data.plan = fs_err::read_to_string(stored.dir.join("plan.toml"))?;
            }
            data.arms[stored.arm].runs.push(run(stored)?);
        }
        Ok(data)
    }
}

impl RunResults {
    /// Reads the tables of a finished run.
    ///
    /// # Errors
    /// Where one cannot be read.
    pub fn read(dir: &Path, seed: u64, id: RunId) -> Result<Self, ResultsError> {
        run(StoredRun { id, arm: 0, seed, dir: dir.to_owned(), done: true })
    }
}

fn run(stored: StoredRun) -> Result<RunResults, ResultsError> {
    fn rows<R: table::Record>(dir: &Path) -> Result<Vec<R>, table::TableError> {
        table::read(&dir.join(R::FILE))
    }
    /// Of a table that only some specs ask for.
    fn rows_if_there<R: table::Record>(dir: &Path) -> Result<Vec<R>, table::TableError> {
        if dir.join(R::FILE).exists() { rows(dir) } else { Ok(Vec::new()) }
    }
    let dir = &stored.dir;
    let run = RunResults::new(stored.seed, stored.id.0, rows(dir)?, rows(dir)?, rows(dir)?);
    let run = run.with_prompts(rows_if_there(dir)?, rows_if_there(dir)?);
    let run = run.with_stages(stages(&fs_err::read_to_string(dir.join("plan.toml"))?));
    let guards = dir.join(<GuardRecord as table::Record>::FILE).exists().then(|| rows(dir)).transpose()?;
    let events = fs_err::read_to_string(dir.join("events.jsonl")).unwrap_or_default();
    let (steps, guarding) = seconds(&events);
    let run = run.with_instruction_set(instruction_set(&events));
    let run = run.with_guards(guards.unwrap_or_default(), steps, guarding);
    // Runs of older versions have none.
    let warned = dir.join(<WarningRecord as table::Record>::FILE).exists();
    let run = if warned { run.with_warnings(rows(dir)?) } else { run };
    // Only a run whose spec asks for pressures has these two.
    let pressed = dir.join(<LedgerRecord as table::Record>::FILE).exists();
    if pressed { Ok(run.with_pressure(rows(dir)?, rows(dir)?)) } else { Ok(run) }
}

/// A run's events.
fn parsed(events: &str) -> impl Iterator<Item = serde_json::Value> {
    events.lines().filter_map(|line| serde_json::from_str(line).ok())
}

/// What a run was computed with; runs of older versions do not say.
fn instruction_set(events: &str) -> Option<String> {
    let start = parsed(events).find(|event| event["event"] == "start")?;
    start["instruction_set"].as_str().map(str::to_owned)
}

/// Seconds in steps and in guards, over all stages of a run.
fn seconds(events: &str) -> (f64, f64) {
    parsed(events).filter(|event| event["event"] == "stage").fold((0.0, 0.0), |(steps, guards), event| {
        let own = event["guard_seconds"].as_object().into_iter().flatten();
        let own: f64 = own.filter_map(|(_, seconds)| seconds.as_f64()).sum();
        (steps + event["step_seconds"].as_f64().unwrap_or(0.0), guards + own)
    })
}

/// The stages in a run's plan, each with the run's steps at its end.
fn stages(plan: &str) -> Vec<(String, i64)> {
    let plan: toml::Table = toml::from_str(plan).unwrap_or_default();
    let stages = plan.get("stage").and_then(toml::Value::as_array).into_iter().flatten();
    let steps = stages.map_while(|stage| Some((stage.get("name")?.as_str()?, stage.get("steps")?.as_integer()?)));
    let end = |done: &mut i64, (name, steps): (&str, i64)| {
        *done += steps;
        Some((name.to_owned(), *done))
    };
    steps.scan(0, end).collect()
}
