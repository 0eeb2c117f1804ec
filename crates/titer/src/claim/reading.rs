//! Reading what claims measure from a finished run.

use titer_data::{probe::Component, prompt::CandidatePrompt};

use super::{Quantity, State, WarningNumber, What};
use crate::{
    results::{ArmResults, Measure, RunResults, Split},
    screen::{Aim, PREDICTORS, Placed, Screening, summarise},
};

/// Shares of the base's obedience to bad prompts that are half-way to deafness, and deaf.
pub(crate) const HALF: f64 = 0.5;
/// See [`HALF`].
pub(crate) const DEAF: f64 = 0.25;

/// Share of a stage's steps, at its end, that its loss is the mean of.
const TAIL: usize = 10;

/// A quantity of a run of an arm; `None` where the run has not measured it or is never in that state.
pub(super) fn read(arm: &ArmResults, run: &RunResults, Quantity { what, at }: &Quantity) -> Option<f64> {
    match what {
        What::Probe(measure, split) => run.mean(split, *measure, step(run, at, run.end()?)?),
        What::Surprise(cell) => run.mean_surprise(*cell, step(run, at, run.end()?)?),
        What::Pressure(cell, component) => run.mean_pressure(*cell, *component, step(run, at, *run.pressed().last()?)?),
        What::Leak(split) => run.leak(split, step(run, at, run.end()?)?),
        What::WarningNumber(number, stage) => {
            let warning = run.warnings().iter().find(|warning| warning.stage == *stage)?;
            Some(match number {
                WarningNumber::Headroom => warning.headroom,
                WarningNumber::Overlap => warning.overlap,
                WarningNumber::Surprise => warning.surprise,
            })
        }
        What::Screened(predictor) => Some((PREDICTORS[*predictor].value)(&placed(run)?)?.mean),
        What::Loss(stage) => loss(run, stage),
        What::Setting(axis) => arm.settings.get(axis)?.number(),
    }
}

/// The step at which a run is in a state, given its last one.
fn step(run: &RunResults, at: &State, end: i64) -> Option<i64> {
    let stage = |name: &str| run.stages().iter().position(|(stage, _)| stage == name);
    match at {
        State::Base => Some(0),
        State::End => Some(end),
        State::Step(step) => Some(*step),
        State::EndOf(name) => Some(run.stages()[stage(name)?].1),
        State::StartOf(name) => stage(name)?.checked_sub(1).map_or(Some(0), |before| Some(run.stages()[before].1)),
        State::HalfWay | State::Deaf => {
            let moments = obedience(run);
            let base = moments.first()?.1;
            if *at == State::Deaf {
                return moments.last().filter(|moment| moment.1 <= DEAF * base).map(|moment| moment.0);
            }
            let distance = |moment: &(i64, f64)| (moment.1 - HALF * base).abs();
            // A run that never comes near has no half-way.
            let crossed = moments.iter().any(|moment| moment.1 <= HALF * base);
            moments.iter().filter(|_| crossed).min_by(|a, b| distance(a).total_cmp(&distance(b))).map(|moment| moment.0)
        }
    }
}

/// Obedience to bad prompts (seen, trained domains) at the moments that have pressures, or at all where none were taken.
fn obedience(run: &RunResults) -> Vec<(i64, f64)> {
    let split = Split::leading(Component::ObeyBad);
    let pressed = run.pressed();
    let moments = if pressed.is_empty() { run.measured() } else { pressed };
    moments.into_iter().filter_map(|step| Some((step, run.mean(&split, Measure::Rate, step)?))).collect()
}

/// What the prompt of a run's `bad→bad` rows did before training; `None` where it was not screened.
fn placed(run: &RunResults) -> Option<Placed> {
    let prompt = run.screened().first()?.prompt.clone();
    let screening = Screening { prompts: vec![CandidatePrompt::new(prompt)], records: run.screened().to_vec() };
    summarise(&screening, Aim::Selectivity).pop()?.placed.into_iter().next()
}

/// The mean loss over the last [`TAIL`] % of a stage's steps.
fn loss(run: &RunResults, stage: &str) -> Option<f64> {
    let losses: Vec<f64> = run.steps().iter().filter(|step| step.stage == stage).map(|step| step.loss).collect();
    let tail = &losses[losses.len() - (losses.len() * TAIL).div_ceil(100)..];
    (!tail.is_empty()).then(|| tail.iter().sum::<f64>() / tail.len() as f64)
}
