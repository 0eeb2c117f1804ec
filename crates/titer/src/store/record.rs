//! `sweep.toml`: what a sweep is, and which run is which.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

use super::{FileFormat, StoreError};
use crate::{
    plan::{Arm, RunId, RunPlan, SweepPlan},
    spec::parse_toml,
};

/// `sweep.toml`: what the sweep is, and which run is which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepRecord {
    /// The file's format, see [`SweepRecord::FORMAT`].
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

impl SweepRecord {
    /// The file's name in a sweep's folder.
    pub const FILE: &str = "sweep.toml";
    /// The file's formats.
    pub const FORMAT: FileFormat = FileFormat {
        known: 1,
        oldest: 1,
        unsaid: None,
        remedy: "delete it and run the spec into this folder again: finished runs are not made again",
    };

    /// The record of a plan and its runs.
    pub(super) fn of(plan: &SweepPlan, runs: &[(usize, RunPlan)]) -> Self {
        let arm = |(at, arm): (usize, &Arm)| ArmRecord {
            name: arm.name.clone(),
            control: arm.control,
            runs: runs.iter().filter(|(index, _)| *index == at).map(|(_, plan)| plan.id()).collect(),
            inoculates: arm.inoculates(),
            inoculation: arm.inoculation.iter().map(|(kind, at)| (kind.word().to_owned(), *at)).collect(),
            settings: arm.settings.iter().cloned().collect(),
        };
        let axis =
            |(name, values): &(String, Vec<toml::Value>)| AxisRecord { name: name.clone(), values: values.clone() };
        Self {
            format: Self::FORMAT.known,
            titer: env!("CARGO_PKG_VERSION").to_owned(),
            title: plan.title.clone(),
            question: plan.question.clone(),
            command: plan.command.clone(),
            spec: plan.spec_text.clone(),
            quick: plan.quick,
            seeds: plan.seeds.clone(),
            axis: plan.axes.iter().map(axis).collect(),
            arm: plan.arms.iter().enumerate().map(arm).collect(),
        }
    }

    /// The record in a sweep's folder.
    ///
    /// # Errors
    /// Where it cannot be read, or is of a format that is not.
    pub(super) fn read(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(Self::FILE);
        Self::is_ours(dir)?;
        parse_toml(&fs_err::read_to_string(&path)?, &path).map_err(|error| StoreError::Broken(error.headline()))
    }

    /// Whether the file is titer's; it may also be the user's own. In all formats it says so with two keys.
    ///
    /// # Errors
    /// Where it cannot be read, or is titer's and of a format that is not read.
    pub(super) fn is_ours(dir: &Path) -> Result<bool, StoreError> {
        let path = dir.join(Self::FILE);
        let table: toml::Table =
            parse_toml(&fs_err::read_to_string(&path)?, &path).map_err(|error| StoreError::Broken(error.headline()))?;
        let ours = table.contains_key("format") && table.contains_key("titer");
        if ours {
            Self::FORMAT.of_toml(&path, &table)?;
        }
        Ok(ours)
    }
}
