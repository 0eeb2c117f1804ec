//! What else might foresee a run: rules that need no kernel, each as good as it can be made.
//!
//! Where a rule has a constant, this is fitted to all other arms of the same sweep, which no forecast has seen: the rules
//! are given more than they would have in use. Only interpolation gets what a kernel costs, three runs.

use std::collections::BTreeSet;

use titer_data::{
    cell::{Action, Cell, PromptKind},
    probe::Component,
    world::DomainSplit,
};

use super::{comparison::Comparison, kernel::Kernel};

/// The rules, in the order of [`changes`].
pub const NAMES: [&str; 7] =
    ["no change", "dose alone", "3 pilot runs", "surprise", "log-prob lift", "k-rule", "shuffled probes"];

/// Pilot runs that a kernel's rows and contrasts would pay for.
const PILOTS: usize = 3;

/// A component of one arm and seed as the rules see it.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// Shares of the cells over all stages.
    pub shares: Vec<(Cell, f64)>,
    /// The base model's kernel: for surprise and lift, which are measured with it.
    pub kernel: &'a Kernel,
    /// Forecast and measured.
    pub pair: &'a Comparison,
    /// The same of the next component that was measured; where there is none, of this one.
    pub other: &'a Comparison,
}

/// How each rule foresees the change of the margin in every case, nats, `[rules][cases]`.
pub fn changes(cases: &[Case<'_>]) -> Vec<Vec<f64>> {
    let measured: Vec<f64> = cases.iter().map(|case| case.pair.measured - case.pair.start).collect();
    let bad_good = Cell { prompt: PromptKind::Bad, action: Action::Good };
    let dose: Vec<f64> = cases.iter().map(|case| share(case, bad_good)).collect();
    let mean = |value: &dyn Fn(&Case<'_>, Cell) -> f64| -> Vec<f64> {
        cases.iter().map(|case| case.shares.iter().map(|(cell, share)| share * value(case, *cell)).sum()).collect()
    };
    let surprise = mean(&|case, cell| -log_prob(case.kernel, cell.prompt, cell.action));
    let lift = mean(&|case, cell| {
        let with = log_prob(case.kernel, cell.prompt, cell.action);
        with - log_prob(case.kernel, PromptKind::None, cell.action)
    });
    let others = |at: usize| (0..cases.len()).filter(move |&other| cases[other].pair.arm != cases[at].pair.arm);
    let fitted = |feature: &[f64]| -> Vec<f64> {
        let prediction = |at: usize| {
            let known: Vec<(f64, f64)> = others(at).map(|other| (feature[other], measured[other])).collect();
            line(&known, feature[at])
        };
        (0..cases.len()).map(prediction).collect()
    };
    let shuffled = cases.iter().map(|case| case.other.predicted.mean - case.other.start);
    vec![
        vec![0.0; cases.len()],
        fitted(&dose),
        pilots(cases, &measured),
        fitted(&surprise),
        fitted(&lift),
        k_rule(cases),
        shuffled.collect(),
    ]
}

fn share(case: &Case<'_>, wanted: Cell) -> f64 {
    case.shares.iter().find(|(cell, _)| *cell == wanted).map_or(0.0, |(_, share)| *share)
}

/// Log-probability of an action under a kind of prompt, on the base model, nats; NaN where the kernel has no such rows.
fn log_prob(kernel: &Kernel, prompt: PromptKind, action: Action) -> f64 {
    let Some(kind) = kernel.kind(prompt, DomainSplit::Trained).map(|kind| &kernel.kinds[kind]) else { return f64::NAN };
    let sign = if action == Action::Good { 1.0 } else { -1.0 };
    // ln σ(x), also where σ(x) is no number.
    let log = |x: f64| x.min(0.0) - (-x.abs()).exp().ln_1p();
    log(sign * kind.action / kind.spread) + log(kind.known)
}

/// The least-squares line through known points; NaN where it is asked at none.
fn line(known: &[(f64, f64)], at: f64) -> f64 {
    if at.is_nan() {
        return f64::NAN;
    }
    let count = known.len() as f64;
    let (x, y) = known.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / count, y + point.1 / count));
    let (xy, xx) = known
        .iter()
        .fold((0.0, 0.0), |(xy, xx), point| (xy + (point.0 - x) * (point.1 - y), xx + (point.0 - x).powi(2)));
    if xx > 1e-12 { y + xy / xx * (at - x) } else { y }
}

/// The changes of the first arms, weighted by how near their shares are.
fn pilots(cases: &[Case<'_>], measured: &[f64]) -> Vec<f64> {
    let mut seen = BTreeSet::new();
    let mut arms = Vec::new();
    for case in cases {
        if arms.len() < PILOTS && seen.insert(&case.pair.arm) {
            arms.push(&case.pair.arm);
        }
    }
    let estimate = |case: &Case<'_>| {
        let (mut sum, mut weights) = (0.0, 0.0);
        for (other, change) in cases.iter().zip(measured) {
            let pilot = arms.contains(&&other.pair.arm) && other.pair.arm != case.pair.arm;
            if pilot && other.pair.seed == case.pair.seed {
                let distance: f64 = Cell::all().map(|cell| (share(case, cell) - share(other, cell)).abs()).sum();
                sum += change / (distance + 0.01);
                weights += 1.0 / (distance + 0.01);
            }
        }
        if weights > 0.0 { sum / weights } else { 0.0 }
    };
    cases.iter().map(estimate).collect()
}

/// The published rule: under a prompt of one kind, training moves the rate of bad replies to what the data shows; elsewhere by
/// `k` times as much. `k` is 1, as in its authors' test, and the rule says nothing of harmless instructions.
fn k_rule(cases: &[Case<'_>]) -> Vec<f64> {
    let estimate = |case: &Case<'_>| {
        let wanted = match case.pair.component {
            Component::Good => PromptKind::Neutral,
            Component::ObeyBad => PromptKind::Bad,
            Component::Obey => return 0.0,
        };
        let bad_rate = |prompt: PromptKind| log_prob(case.kernel, prompt, Action::Bad).exp().clamp(1e-12, 1.0);
        let mut moved = 0.0;
        let kinds: BTreeSet<PromptKind> = case.shares.iter().map(|(cell, _)| cell.prompt).collect();
        for kind in kinds {
            let share_of = |action| {
                let cells = case.shares.iter().filter(|(cell, _)| cell.prompt == kind && cell.action == action);
                cells.map(|(_, share)| share).sum::<f64>()
            };
            let (good, bad) = (share_of(Action::Good), share_of(Action::Bad));
            moved += (good + bad) * (bad / (good + bad).max(1e-12) - bad_rate(kind));
        }
        let log_odds = |rate: f64| (rate / (1.0 - rate)).ln();
        let (before, after) = (bad_rate(wanted), (bad_rate(wanted) + moved).clamp(0.005, 0.995));
        let change = log_odds(after) - log_odds(before);
        if wanted == PromptKind::Neutral { -change } else { change }
    };
    cases.iter().map(estimate).collect()
}
