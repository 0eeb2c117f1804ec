//! How to get the same numbers again.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    report::view::Table,
    results::{RunResults, SweepResults},
};

/// What the last section shows.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Reproduce {
    /// The command.
    pub command: String,
    /// The version of titer.
    pub version: String,
    /// The instruction sets that computed the runs, where there are several: `3 with x86-64-v3, 2 with x86-64-v4`.
    pub mixed: Option<String>,
    /// The devices of PyTorch's that computed runs, where some did: `2 with PyTorch 2.15 on cuda, activations in f32`.
    pub devices: Option<String>,
    /// The spec as written, TOML.
    pub spec: String,
    /// One resolved plan, TOML.
    pub plan: String,
    /// The plan of every run.
    pub plans: Table,
}

/// The command, the spec, and the hash of every finished run's plan.
pub(crate) fn section(results: &SweepResults) -> Reproduce {
    let rows = results
        .arms
        .iter()
        .flat_map(|arm| arm.runs.iter().map(|run| vec![arm.name.clone(), run.plan_hash.clone(), run.seed.to_string()]));
    Reproduce {
        command: results.command.clone(),
        version: results.version.clone(),
        mixed: counted(results, RunResults::instruction_set).filter(|(kinds, _)| *kinds > 1).map(|(_, counts)| counts),
        devices: counted(results, RunResults::device).map(|(_, counts)| counts),
        spec: results.spec.clone(),
        plan: results.plan.clone(),
        plans: Table {
            caption: "A run is reused where its plan has the same hash. Source: plan.toml of each run.".to_owned(),
            text_columns: 2,
            head: ["arm", "hash of the plan", "seed"].map(str::to_owned).into(),
            rows: rows.collect(),
        },
    }
}

/// How many kinds there are, and how many runs were computed with each; `None` where no run says.
fn counted(results: &SweepResults, kind: impl Fn(&RunResults) -> Option<&str>) -> Option<(usize, String)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in results.arms.iter().flat_map(|arm| &arm.runs).filter_map(kind) {
        *counts.entry(name).or_default() += 1;
    }
    let words = counts.iter().map(|(name, count)| format!("{count} with {name}")).collect::<Vec<_>>();
    (!words.is_empty()).then(|| (words.len(), words.join(", ")))
}
