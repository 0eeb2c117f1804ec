//! The mean of a number of runs, and what is known of it.

use super::{ItemBlocks, RunResults};
use crate::stats::{Estimate, Support};

/// The mean of a number of each of some runs, with the interval over seeds, and over items where the seeds share them: those are left out of the runs' means
/// in turn. `values` computes the numbers of its runs as they are changed here, in the same order. `None` where no run has the number.
pub(crate) fn mean_of_runs(
    support: Support,
    values: impl Fn(&dyn Fn(&RunResults) -> RunResults) -> Vec<f64>,
) -> Option<Estimate> {
    // Of what can lie anywhere, or has a sign, an end of a rate is no end.
    let off_ends = |run: &RunResults| if support == Support::Rate { run.off_ends() } else { run.clone() };
    let (all, within) = (values(&Clone::clone), values(&off_ends));
    let within = if within.len() == all.len() { &within } else { &all };
    let estimate = Estimate::over_counted_seeds(&all, within, support)?;
    let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
    let blocks = ItemBlocks::of(|noting| {
        values(noting);
    });
    let items = blocks.error(estimate.mean, support, |left_out| mean(values(&|run| off_ends(run).without(left_out))));
    Some(estimate.and_over_items(items))
}
