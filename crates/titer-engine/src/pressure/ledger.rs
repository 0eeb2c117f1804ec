//! The ledger: what every cell's share of a run's steps should have done to each component, beside what was measured.
//!
//! Within an interval between two moments the parameters move by `Σ_s d_s`, one displacement for each source `s` (the
//! cells, and weight decay; see [`Shares`]). To first order that changes component `k` by `Σ_s ⟨∇f_k, d_s⟩`, with the
//! gradient at the interval's start (*predicted*) or the mean of those at its two ends (*accounted*, the trapezoid
//! rule). Both are exact accounting of the run that happened, not what would have happened without a cell.

use titer::table::LedgerRecord;
use titer_data::{probe::Component, source::Source, tokenize::TokenizeError, world::ProbeUse};
use titer_model::{optim::Shares, params::Params};

use super::{COMPONENTS, Directions, Margins};
use crate::model::{EngineBackend, Model};

/// The ledger of one stage.
#[derive(Debug)]
pub struct Ledger<'a> {
    margins: &'a LedgerMargins,
    stage: &'a str,
    /// What movement is booked on, and how many of its rows have been seen in this interval.
    sources: Vec<(String, usize)>,
    shares: Shares<EngineBackend>,
    start: State,
    records: Vec<LedgerRecord>,
}

/// The contrasts that a ledger differentiates, and those that it only measures; they share no context.
#[derive(Debug)]
pub struct LedgerMargins {
    differentiated: Margins,
    measured: Margins,
}

/// What is known at a moment.
#[derive(Debug)]
struct State {
    step: usize,
    directions: Directions,
    /// Margins on the contrasts that are differentiated.
    differentiated: [f64; COMPONENTS],
    /// Margins on the others.
    measured: [f64; COMPONENTS],
}

impl LedgerMargins {
    /// Those of a source, `items` contrasts of each kind.
    ///
    /// # Errors
    /// Where a contrast cannot be encoded.
    pub fn of_source(model: &Model, source: &Source, seed: u64, items: usize) -> Result<Self, TokenizeError> {
        let margins = |probe_use| Margins::of_source(model, source, probe_use, seed, items);
        Ok(Self { differentiated: margins(ProbeUse::Gradient)?, measured: margins(ProbeUse::Measure)? })
    }

    fn state(&self, model: &Model, step: usize) -> State {
        State {
            step,
            directions: self.differentiated.directions(model),
            differentiated: self.differentiated.values(model),
            measured: self.measured.values(model),
        }
    }
}

impl<'a> Ledger<'a> {
    /// Opens the books of a stage whose movement is booked on these sources, cells for the most part, after `step` steps of
    /// the run.
    pub fn open(
        margins: &'a LedgerMargins,
        model: &Model,
        stage: &'a str,
        sources: impl Iterator<Item = String>,
        step: usize,
    ) -> Self {
        let sources: Vec<(String, usize)> = sources.map(|source| (source, 0)).collect();
        let shares = Shares::new(model.decoder.backend(), &model.decoder.layout, sources.len());
        Self { margins, stage, sources, shares, start: margins.state(model, step), records: Vec::new() }
    }

    /// The directions at the last moment.
    pub fn directions(&self) -> &Directions {
        &self.start.directions
    }

    /// Where a step is booked: each source has one group, in their order. `rows` of each were in the batch.
    pub fn book(&mut self, rows: &[usize]) -> &mut Shares<EngineBackend> {
        self.sources.iter_mut().zip(rows).for_each(|((_, seen), rows)| *seen += rows);
        &mut self.shares
    }

    /// Closes the interval that began at the last moment.
    pub fn close(&mut self, model: &Model, step: usize) {
        let end = self.margins.state(model, step);
        let start = std::mem::replace(&mut self.start, end);
        let end = &self.start;
        let moved: Vec<Params<EngineBackend>> = self.shares.take(model.decoder.backend(), &model.decoder.layout);
        let sources = self.sources.iter_mut().map(|(source, rows)| (source.clone(), std::mem::take(rows)));
        let sources = sources.chain([(LedgerRecord::WEIGHT_DECAY.to_owned(), 0)]);
        for ((source, rows), moved) in sources.zip(&moved) {
            let (first, last) = (start.directions.effect(model, moved), end.directions.effect(model, moved));
            for (k, component) in Component::ALL.into_iter().enumerate() {
                self.records.push(LedgerRecord {
                    stage: self.stage.to_owned(),
                    from: start.step as i64,
                    to: step as i64,
                    component,
                    source: source.clone(),
                    rows: rows as i64,
                    predicted: first[k],
                    accounted: (first[k] + last[k]) / 2.0,
                    measured: end.measured[k] - start.measured[k],
                    measured_own: end.differentiated[k] - start.differentiated[k],
                });
            }
        }
    }

    /// What has been booked, interval by interval.
    pub fn finish(self) -> Vec<LedgerRecord> {
        self.records
    }
}
