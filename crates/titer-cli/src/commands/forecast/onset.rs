//! Where a mix leads in the end: the dose at which inoculation stops working, and where opposed rows come to rest.

use serde::Serialize;
use titer::{
    forecast::{Kernel, Placement, kinds, onset, rest},
    plan::{Optimiser, StagePlan, SweepPlan},
};
use titer_data::{
    cell::{Action, Cell, PromptKind},
    mix::Mix,
    probe::Component,
};

use super::Foreseen;
use crate::printer::{Failure, data};

/// The dose of bad→good that halves obedience to bad prompts, for one way of training.
#[derive(Serialize)]
pub struct Onset {
    /// Update rule and learning rate.
    optimiser: String,
    /// Optimiser steps.
    steps: usize,
    /// What the other rows are.
    rest: String,
    /// The dose by seed; `None` where no dose is enough.
    doses: Vec<Option<f64>>,
}

/// The onsets of every rest and way of training that the plan's arms of one stage have, where the kernels know such rows.
pub fn onsets(plan: &SweepPlan, foreseen: &[Foreseen<'_>]) -> Result<Vec<Onset>, Failure> {
    let bad_good = Cell { prompt: PromptKind::Bad, action: Action::Good };
    let mut ways: Vec<(&StagePlan, Cell)> = Vec::new();
    for arm in &plan.arms {
        let [stage] = arm.stages.as_slice() else { continue };
        let Some(other) = stage.mix.rest().filter(|other| *other != bad_good) else { continue };
        let same = |(way, rest): &(&StagePlan, Cell)| *rest == other && way.with_mix(stage.mix.clone()) == *stage;
        let known = stage.differs_in_rows_alone() && !ways.iter().any(same);
        if known && stage.mix.shares().iter().all(|(cell, _)| *cell == bad_good) {
            ways.push((stage, other));
        }
    }
    let mut kernels: Vec<&Kernel> = Vec::new();
    for found in foreseen {
        if !kernels.iter().any(|kernel| std::ptr::eq(*kernel, found.kernel)) {
            kernels.push(found.kernel);
        }
    }
    let mixed = |stage: &StagePlan, other: Cell, dose: f64| {
        let mix = Mix::new(vec![(bad_good, dose)], Some(other)).expect("a share and a rest are a mix");
        vec![stage.with_mix(mix)]
    };
    // Rows that a kernel does not know were not asked for.
    ways.retain(|(stage, other)| kernels.iter().all(|kernel| kinds(kernel, &mixed(stage, *other, 0.5)).is_ok()));
    let one = |(stage, other): (&StagePlan, Cell)| {
        let mixed = |dose: f64| mixed(stage, other, dose);
        let dose = |kernel: &&Kernel| match kernel.leading(Component::ObeyBad) {
            Some(probe) => onset(kernel, probe, mixed, Placement::Even).map_err(Failure::input),
            None => Ok(None),
        };
        let optimiser = match stage.optimiser {
            Optimiser::Sgd { lr, .. } => format!("sgd at {lr}"),
            Optimiser::AdamW { lr, .. } => format!("adamw at {lr}"),
        };
        let doses = kernels.iter().map(dose).collect::<Result<_, _>>()?;
        Ok(Onset { optimiser, steps: stage.steps, rest: other.to_string(), doses })
    };
    ways.into_iter().map(one).collect()
}

/// Prints the onsets, and where arms whose rows oppose each other would come to rest.
pub fn print(plan: &SweepPlan, onsets: &[Onset]) {
    if !onsets.is_empty() {
        data("");
        data("dose of bad→good that halves the rate of obey_bad, lowest to highest over seeds");
    }
    for Onset { optimiser, steps, rest, doses } in onsets {
        let found: Vec<f64> = doses.iter().flatten().copied().collect();
        let (low, high) =
            found.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), dose| (low.min(*dose), high.max(*dose)));
        let dose =
            if found.is_empty() { "no dose".to_owned() } else { format!("{:.2}–{:.2} %", 100.0 * low, 100.0 * high) };
        data(&format!("  {optimiser}, {steps} steps, rest {rest}: {dose}"));
    }
    let opposed: Vec<String> = plan.arms.iter().filter_map(|arm| opposed(&arm.name, arm.stages.last()?)).collect();
    if !opposed.is_empty() {
        data("");
        data("where rows of one kind oppose each other, training for ever would end at");
        opposed.iter().for_each(|line| data(line));
    }
}

fn opposed(name: &str, stage: &StagePlan) -> Option<String> {
    if !stage.differs_in_rows_alone() {
        return None;
    }
    let both = rest(stage).into_iter().filter(|(_, good)| *good > 0.0 && *good < 1.0);
    let both: Vec<String> =
        both.map(|(kind, good)| format!("{:.1} % good under {kind} prompts", 100.0 * good)).collect();
    (!both.is_empty()).then(|| format!("  {name}: {}", both.join(", ")))
}
