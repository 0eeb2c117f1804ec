//! From a sweep's folder to the data of a report.

use std::path::Path;

use super::{
    data::{Arm, Axis, Data, Run, Setting},
    page::{ReportError, render},
};
use crate::{
    plan::show,
    store::{StoredRun, Sweep},
    table::{self, LedgerRecord},
};

impl Data {
    /// Reads a sweep and the tables of its finished runs.
    ///
    /// # Errors
    /// Where the folder holds no sweep, or a table of a finished run cannot be read.
    pub fn load(sweep_dir: &Path) -> Result<Self, ReportError> {
        let sweep = Sweep::open(sweep_dir)?;
        let record = sweep.record();
        let axis = |axis: &crate::store::AxisRecord| Axis {
            name: axis.name.clone(),
            values: axis.values.iter().map(Setting::of).collect(),
        };
        let arm = |(index, arm): (usize, &crate::store::ArmRecord)| Arm {
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

impl Setting {
    fn of(value: &toml::Value) -> Self {
        match value {
            toml::Value::Float(number) => Self::Number(*number),
            toml::Value::Integer(number) => Self::Number(*number as f64),
            other => Self::Word(show(other)),
        }
    }
}

fn run(stored: StoredRun) -> Result<Run, ReportError> {
    fn rows<R: table::Record>(dir: &Path) -> Result<Vec<R>, table::TableError> {
        table::read(&dir.join(R::FILE))
    }
    /// Of a table that only some specs ask for.
    fn rows_if_there<R: table::Record>(dir: &Path) -> Result<Vec<R>, table::TableError> {
        if dir.join(R::FILE).exists() { rows(dir) } else { Ok(Vec::new()) }
    }
    let dir = &stored.dir;
    let run = Run::new(stored.seed, stored.id.0, rows(dir)?, rows(dir)?, rows(dir)?);
    let run = run.with_prompts(rows_if_there(dir)?, rows_if_there(dir)?);
    // Only a run whose spec asks for pressures has these two.
    let pressed = dir.join(<LedgerRecord as table::Record>::FILE).exists();
    if pressed { Ok(run.with_pressure(rows(dir)?, rows(dir)?)) } else { Ok(run) }
}

/// Writes the report of a sweep's finished runs as one HTML file, first under a temporary name. Replaces an older one.
///
/// # Errors
/// Where the folder holds no sweep, no run is finished, or a file cannot be read or written.
pub fn write(sweep_dir: &Path, out: &Path) -> Result<(), ReportError> {
    let page = render(&Data::load(sweep_dir)?)?;
    let mut temporary = out.as_os_str().to_owned();
    temporary.push(".tmp");
    fs_err::write(&temporary, page)?;
    Ok(fs_err::rename(temporary, out)?)
}
