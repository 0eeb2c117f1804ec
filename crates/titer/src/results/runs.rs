//! Finished runs, looked at together.

use titer_data::cell::Cell;

use super::{At, Measure, RunResults, Split, mean_of_runs};
use crate::stats::{Estimate, Sample, Support};

/// Finished runs, at most one of each seed, that are looked at together.
#[derive(Clone, Debug)]
pub struct Runs<'a>(pub(super) Vec<&'a RunResults>);

impl<'a> Runs<'a> {
    /// A measure of a split at a moment, by seed and item.
    pub fn probe(&self, split: &Split, measure: Measure, at: At) -> Sample<&'a str> {
        let mut sample = Sample::new(measure.support(), self.share_items());
        for run in &self.0 {
            for reading in run.probes.get(split).and_then(|moments| at.of(run.end(), moments)).into_iter().flatten() {
                let (value, within) = (reading.of(measure), reading.within(measure));
                sample.push_counted(run.seed, reading.item.as_str(), value, within);
            }
        }
        sample
    }

    /// The surprise of a cell's rows at a moment, by seed and item, in nats per reply.
    pub fn surprise(&self, cell: Cell, at: At) -> Sample<&'a str> {
        let mut sample = Sample::new(Support::Line, self.share_items());
        for run in &self.0 {
            for (item, surprise) in
                run.cells.get(&cell).and_then(|moments| at.of(run.end(), moments)).into_iter().flatten()
            {
                sample.push(run.seed, item.as_str(), *surprise);
            }
        }
        sample
    }

    /// A number of each run, with the interval over seeds, and over items where the seeds share them: those are left out of the
    /// runs' means in turn. `None` where no run has the number.
    pub fn estimate(&self, support: Support, value: impl Fn(&RunResults) -> Option<f64>) -> Option<Estimate> {
        mean_of_runs(support, |change| {
            self.0.iter().filter_map(|run| value(&change(run))).filter(|value| value.is_finite()).collect()
        })
    }

    fn share_items(&self) -> bool {
        self.0.iter().any(|run| run.shares_items())
    }

    /// The runs themselves.
    pub fn iter(&self) -> impl Iterator<Item = &'a RunResults> {
        self.0.iter().copied()
    }

    /// How many runs there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Probe items at the first moment of each split, over all splits and runs.
    pub fn items(&self) -> usize {
        let moments = self.0.iter().flat_map(|run| run.probes.values());
        moments.filter_map(|moments| moments.first_key_value()).map(|(_, readings)| readings.len()).sum()
    }

    /// The steps at which a split was measured in any run, ascending.
    pub fn moments(&self, split: &Split) -> Vec<i64> {
        let probes = self.0.iter().filter_map(|run| run.probes.get(split));
        let mut steps: Vec<i64> = probes.flat_map(|moments| moments.keys().copied()).collect();
        steps.sort_unstable();
        steps.dedup();
        steps
    }
}
