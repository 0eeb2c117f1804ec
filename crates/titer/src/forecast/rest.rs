//! Fixed points: where training for ever would end.

use titer_data::cell::Action;

use super::batches::trained;
use crate::plan::StagePlan;

/// Where a mix, as its guards leave it, comes to rest, kind by kind of prompt: the rate of the good action. Pressure is zero only where every
/// trained context is balanced, `σ(x) = good / (good + bad)` rows: the model matches frequencies. A kind whose rows all
/// show one action has no such point, its margin grows for ever, ever more slowly, and the rate goes to 1 or 0.
pub fn rest(stage: &StagePlan) -> Vec<(String, f64)> {
    let mut kinds: Vec<(String, [usize; 2])> = Vec::new();
    for (cell, rows) in trained(stage) {
        let action = usize::from(cell.action == Action::Bad);
        let word = cell.prompt.word();
        let at = kinds.iter().position(|(kind, _)| kind == word).unwrap_or_else(|| {
            kinds.push((word.to_owned(), [0, 0]));
            kinds.len() - 1
        });
        kinds[at].1[action] += rows;
    }
    kinds.into_iter().map(|(kind, [good, bad])| (kind, good as f64 / (good + bad) as f64)).collect()
}
