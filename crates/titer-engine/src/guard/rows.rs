//! Guards that act on rows: rewritten prompts, and anchors in place of a part of every batch.

use titer::plan::{AnchorPlan, StagePlan};
use titer_data::{cell::Cell, chat::Row, source::Source, world::DomainSplit};

/// The rows of a stage in the order of training, each with the name of what it is booked on: its cell, or `anchor` and its
/// cell.
pub fn of_stage(source: &Source, stage: &StagePlan, seed: u64) -> Vec<(String, Row)> {
    let rewritten = |cell: Cell| stage.guards.rewrite.map_or(cell, |rewrite| rewrite.of(cell));
    let slots = stage.mix.slots(stage.rows, seed).into_iter().map(rewritten).enumerate();
    let row = |(slot, cell): (usize, Cell)| {
        (cell.to_string(), source.row_under(cell, stage.domains, seed, slot as u64, stage.pool(cell)))
    };
    let mut rows: Vec<(String, Row)> = slots.map(row).collect();
    if let Some(plan) = &stage.guards.anchor {
        // The last rows of every batch make room; the others stay as they are without the guard.
        let mut anchors = anchors(source, plan, stage.domains, stage.steps, seed).into_iter();
        for batch in rows.chunks_exact_mut(stage.batch) {
            for (slot, anchor) in batch[stage.batch - plan.rows..].iter_mut().zip(anchors.by_ref()) {
                let cell = anchor.cell.map_or_else(String::new, |cell| cell.to_string());
                *slot = (format!("anchor {cell}"), anchor);
            }
        }
    }
    rows
}

/// The anchors of a stage, step by step.
pub fn anchors(source: &Source, plan: &AnchorPlan, domains: DomainSplit, steps: usize, seed: u64) -> Vec<Row> {
    let cells = plan.mix.slots(plan.rows * steps, seed);
    let anchor = |(slot, cell): (usize, &Cell)| source.anchor(*cell, plan.wording, domains, seed, slot as u64);
    cells.iter().enumerate().map(anchor).collect()
}
