//! Guards that act on rows: rewritten prompts, and anchors in place of a part of every batch.

use std::fmt;

use titer::plan::{AnchorPlan, StagePlan};
use titer_data::{cell::Cell, chat::Row, source::Source, world::DomainSplit};

/// What a place in a stage holds, before its row is made.
#[derive(Clone, Copy, Debug)]
pub struct PlannedRow {
    /// What it is booked on.
    pub booked: BookedOn,
    slot: u64,
}

/// What a row is booked on, written as its cell, or `anchor` or `drawn` and its cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BookedOn {
    /// A cell of the stage's mix.
    Cell(Cell),
    /// A cell of its anchors.
    Anchor(Cell),
    /// A cell of the stage's mix whose reply the model draws: what it does is not known beforehand.
    Drawn(Cell),
}

impl fmt::Display for BookedOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cell(cell) => cell.fmt(f),
            Self::Anchor(cell) => write!(f, "anchor {cell}"),
            Self::Drawn(cell) => write!(f, "drawn {cell}"),
        }
    }
}

impl PlannedRow {
    /// The row; one whose reply the model draws still has that of its cell.
    pub fn row(self, source: &Source, stage: &StagePlan, seed: u64) -> Row {
        match (self.booked, &stage.guards.anchor) {
            (BookedOn::Anchor(cell), Some(plan)) => source.anchor(cell, plan.wording, stage.domains, seed, self.slot),
            (BookedOn::Anchor(cell) | BookedOn::Cell(cell) | BookedOn::Drawn(cell), _) => {
                source.row_under(cell, stage.domains, seed, self.slot, stage.pool(cell))
            }
        }
    }

    /// The same row as it is asked while its reply is drawn, with the slot that it has; `None` where its reply is given.
    pub fn asked(self, source: &Source, stage: &StagePlan, seed: u64) -> Option<(u64, Row)> {
        let (BookedOn::Drawn(cell), Some(plan)) = (self.booked, &stage.drawn) else { return None };
        Some((self.slot, source.row_under(cell, stage.domains, seed, self.slot, Some(&plan.under))))
    }
}

/// The rows of a stage in the order of training, still to be made.
pub fn planned(stage: &StagePlan, seed: u64) -> Vec<PlannedRow> {
    let rewritten = |cell: Cell| stage.guards.rewrite.map_or(cell, |rewrite| rewrite.of(cell));
    let booked = |cell: Cell| if stage.drawn.is_some() { BookedOn::Drawn(cell) } else { BookedOn::Cell(cell) };
    let slots = (0..).zip(stage.mix.slots(stage.rows, seed));
    let mut rows: Vec<PlannedRow> =
        slots.map(|(slot, cell)| PlannedRow { booked: booked(rewritten(cell)), slot }).collect();
    if let Some(plan) = &stage.guards.anchor {
        // The last rows of every batch make room; the others stay as they are without the guard.
        let mut anchors = (0..).zip(plan.mix.slots(plan.rows * stage.steps, seed));
        for batch in rows.chunks_exact_mut(stage.batch) {
            for (place, (slot, cell)) in batch[stage.batch - plan.rows..].iter_mut().zip(anchors.by_ref()) {
                *place = PlannedRow { booked: BookedOn::Anchor(cell), slot };
            }
        }
    }
    rows
}

/// The rows of a stage whose replies are given in the order of training, each with the name of what it is booked on.
pub fn of_stage(source: &Source, stage: &StagePlan, seed: u64) -> Vec<(String, Row)> {
    planned(stage, seed).into_iter().map(|row| (row.booked.to_string(), row.row(source, stage, seed))).collect()
}

/// The anchors of a stage, step by step.
pub fn anchors(source: &Source, plan: &AnchorPlan, domains: DomainSplit, steps: usize, seed: u64) -> Vec<Row> {
    let cells = plan.mix.slots(plan.rows * steps, seed);
    let anchor = |(slot, cell): (usize, &Cell)| source.anchor(*cell, plan.wording, domains, seed, slot as u64);
    cells.iter().enumerate().map(anchor).collect()
}
