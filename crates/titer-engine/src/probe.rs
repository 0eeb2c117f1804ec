//! Measuring the components: margins, gaps and exact rates on contrasts, and surprise on rows of every cell.

use std::sync::Arc;

use titer::table::{CellRecord, ProbeRecord};
use titer_data::{
    cell::Cell,
    chat::Row,
    probe::{Component, Probe, Side},
    source::Source,
    tokenize::{EncodedContrast, TokenizeError},
    world::ProbeUse,
};
use titer_model::{
    packed::Packed,
    passes::{reply_log_probs, score},
};

use crate::{
    model::Model,
    rows::{NamedRow, PackedRows, pack_contrasts, plus_and_minus},
};

/// When a measurement was taken.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// The stage that has run last, or runs.
    pub stage: &'a str,
    /// Optimiser steps since the run began.
    pub step: usize,
}

/// What a measurement finds.
#[derive(Debug)]
pub(crate) struct Measured {
    /// Every component on every contrast.
    pub(crate) probes: Vec<ProbeRecord>,
    /// Surprise of every cell's rows.
    pub(crate) cells: Vec<CellRecord>,
}

/// Probes and cell rows, encoded once and measured many times.
#[derive(Debug)]
pub struct Probes {
    probes: Vec<Probe>,
    contrasts: Vec<Arc<EncodedContrast>>,
    contrast_shards: Vec<Packed>,
    cells: PackedRows,
}

impl Probes {
    /// A source's measuring probes of one seed, with `items` contrasts each, and as many rows of every cell.
    ///
    /// # Errors
    /// Where the model cannot take one of them.
    pub fn of_source(model: &Model, source: &Source, seed: u64, items: usize) -> Result<Self, TokenizeError> {
        let probes = source.probes(ProbeUse::Measure, seed, items);
        let contrasts = probes
            .iter()
            .flat_map(|probe| &probe.contrasts)
            .map(|contrast| model.encoded(contrast))
            .collect::<Result<Vec<_>, _>>()?;
        let rows: Vec<Row> = Cell::all().flat_map(|cell| source.cell_rows(seed, cell, items)).collect();
        let (contrast_shards, cells) = (pack_contrasts(&model.decoder, &contrasts), PackedRows::encode(model, &rows)?);
        Ok(Self { probes, contrasts, contrast_shards, cells })
    }

    /// The rows of every cell whose surprise is measured.
    pub fn cells(&self) -> &PackedRows {
        &self.cells
    }

    /// Everything.
    pub(crate) fn measured(&self, model: &Model, at: Moment<'_>) -> Measured {
        Measured { probes: self.measure(model, at), cells: self.surprise(model, at) }
    }

    /// Every component on every contrast.
    pub fn measure(&self, model: &Model, at: Moment<'_>) -> Vec<ProbeRecord> {
        self.on_contrasts(all_reply_log_probs(model, &self.contrast_shards), at)
    }

    /// Surprise of every cell's rows, in nats per reply.
    pub fn surprise(&self, model: &Model, at: Moment<'_>) -> Vec<CellRecord> {
        self.on_cells(all_reply_log_probs(model, self.cells.shards()).into_iter(), at)
    }

    /// Every reply that is measured, behind its context: those of contrasts, and then of cells' rows. A row with several parts that carry loss
    /// has a pair for each.
    pub fn pairs(&self) -> Vec<(&[u32], &[u32])> {
        let mut pairs: Vec<(&[u32], &[u32])> = Vec::new();
        for contrast in &self.contrasts {
            pairs.extend(contrast.replies.iter().map(|(_, reply)| (&*contrast.context, &**reply)));
            if let Some(baseline) = &contrast.baseline {
                let (plus, minus) = plus_and_minus(contrast);
                pairs.extend([plus, minus].map(|at| (&**baseline, &*contrast.replies[at].1)));
            }
        }
        for row in self.cells.iter() {
            let tokens = &row.encoded.tokens;
            pairs.extend(row.encoded.spans().map(|span| (&tokens[..span.start], &tokens[span])));
        }
        pairs
    }

    /// What the log-probabilities of [`Probes::pairs`] come to, in nats: what [`Probes::measure`] and [`Probes::surprise`] find on a model here.
    pub fn of_pairs(&self, log_probs: &[f64], at: Moment<'_>) -> (Vec<ProbeRecord>, Vec<CellRecord>) {
        let of =
            |contrast: &Arc<EncodedContrast>| contrast.replies.len() + 2 * usize::from(contrast.baseline.is_some());
        let (contrasts, rows) = log_probs.split_at(self.contrasts.iter().map(of).sum());
        let mut rows = rows.iter();
        let of_row = |row: &NamedRow| rows.by_ref().take(row.encoded.spans().count()).sum::<f64>();
        let of_rows: Vec<f64> = self.cells.iter().map(of_row).collect();
        (self.on_contrasts(contrasts.to_vec(), at), self.on_cells(of_rows.into_iter(), at))
    }

    /// By the log-probabilities of the replies of every contrast, in order.
    fn on_contrasts(&self, log_probs: Vec<f64>, at: Moment<'_>) -> Vec<ProbeRecord> {
        let mut replies = log_probs.into_iter();
        let items = self.probes.iter().flat_map(|probe| probe.contrasts.iter().map(move |contrast| (probe, contrast)));
        items
            .zip(&self.contrasts)
            .map(|((probe, contrast), encoded)| {
                let log_probs: Vec<f64> = replies.by_ref().take(encoded.replies.len()).collect();
                let (plus, minus) = plus_and_minus(encoded);
                let margin = log_probs[plus] - log_probs[minus];
                let per_token = |reply: usize| log_probs[reply] / encoded.replies[reply].1.len() as f64;
                // How far the prompt moves the model: the margin here less the margin on the same request without it.
                let baseline = encoded.baseline.as_ref().map(|_| {
                    let mut next = || replies.next().unwrap_or(f64::NAN);
                    next() - next()
                });
                let mass = |counts: &dyn Fn(Side) -> bool| -> f64 {
                    let sides = encoded.replies.iter().zip(&log_probs);
                    sides.filter(|((side, _), _)| counts(*side)).map(|(_, log_prob)| log_prob.exp()).sum()
                };
                ProbeRecord {
                    stage: at.stage.to_owned(),
                    step: at.step as i64,
                    component: probe.component,
                    prompts: probe.prompts,
                    domains: probe.domains,
                    item: contrast.id.clone(),
                    margin,
                    margin_per_token: per_token(plus) - per_token(minus),
                    gap: match (probe.component, baseline) {
                        (Component::ObeyBad, Some(baseline)) => margin - baseline,
                        _ => f64::NAN,
                    },
                    rate: mass(&|side| matches!(side, Side::Plus | Side::AlsoPlus)),
                    other: (1.0 - mass(&|_| true)).max(0.0), // rounding may leave it a hair below 0
                }
            })
            .collect()
    }

    /// By the log-probabilities of the rows of every cell, in order.
    fn on_cells(&self, log_probs: impl Iterator<Item = f64>, at: Moment<'_>) -> Vec<CellRecord> {
        self.cells
            .iter()
            .zip(log_probs)
            .map(|(row, log_prob)| CellRecord {
                stage: at.stage.to_owned(),
                step: at.step as i64,
                cell: row.cell.expect("probes measure rows of known cells"),
                item: row.id.clone(),
                tokens: row.targets() as i64,
                surprise: -log_prob,
            })
            .collect()
    }
}

/// Log-probability of every reply of every shard, in order, in nats.
fn all_reply_log_probs(model: &Model, shards: &[Packed]) -> Vec<f64> {
    let scores = score(&model.decoder, &model.params, shards);
    shards.iter().zip(scores).flat_map(|(packed, scores)| reply_log_probs(packed, &scores)).collect()
}
