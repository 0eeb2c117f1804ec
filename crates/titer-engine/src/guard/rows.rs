//! Guards that act on rows: rewritten prompts, and anchors in place of a part of every batch.

use std::collections::BTreeSet;

use titer::plan::{AnchorPlan, StagePlan};
use titer_data::{cell::Cell, chat::Row, source::Source, world::DomainSplit};

/// Where a row of a stage comes from: its place among those of its sort, and its cell.
#[derive(Clone, Copy)]
enum RowOrigin<'a> {
    /// The stage's own.
    Own(usize, Cell),
    /// An anchor of this guard.
    Anchor(usize, Cell, &'a AnchorPlan),
}

impl RowOrigin<'_> {
    /// What its row is booked on: its cell, or `anchor` and its cell.
    fn name(self) -> String {
        match self {
            Self::Own(_, cell) => cell.to_string(),
            Self::Anchor(_, cell, _) => format!("anchor {cell}"),
        }
    }

    fn row(self, source: &Source, stage: &StagePlan, seed: u64) -> Row {
        match self {
            Self::Own(slot, cell) => source.row_under(cell, stage.domains, seed, slot as u64, stage.pool(cell)),
            Self::Anchor(slot, cell, plan) => source.anchor(cell, plan.wording, stage.domains, seed, slot as u64),
        }
    }
}

/// Where the rows of a stage come from, in the order of training.
fn origins(stage: &StagePlan, seed: u64) -> Vec<RowOrigin<'_>> {
    let rewritten = |cell: Cell| stage.guards.rewrite.map_or(cell, |rewrite| rewrite.of(cell));
    let slots = stage.mix.slots(stage.rows, seed).into_iter().map(rewritten).enumerate();
    let mut origins: Vec<RowOrigin> = slots.map(|(slot, cell)| RowOrigin::Own(slot, cell)).collect();
    if let Some(plan) = &stage.guards.anchor {
        // The last rows of every batch make room; the others stay as they are without the guard.
        let mut cells = plan.mix.slots(plan.rows * stage.steps, seed).into_iter().enumerate();
        for batch in origins.chunks_exact_mut(stage.batch) {
            for (origin, (slot, cell)) in batch[stage.batch - plan.rows..].iter_mut().zip(cells.by_ref()) {
                *origin = RowOrigin::Anchor(slot, cell, plan);
            }
        }
    }
    origins
}

/// The rows of a stage in the order of training, each with the name of what it is booked on: its cell, or `anchor` and its
/// cell.
pub fn of_stage(source: &Source, stage: &StagePlan, seed: u64) -> Vec<(String, Row)> {
    origins(stage, seed).into_iter().map(|origin| (origin.name(), origin.row(source, stage, seed))).collect()
}

/// The first of these rows of each name.
pub fn first_of_stage(source: &Source, stage: &StagePlan, seed: u64) -> Vec<(String, Row)> {
    let mut names = BTreeSet::new();
    let first = origins(stage, seed).into_iter().filter(|origin| names.insert(origin.name()));
    first.map(|origin| (origin.name(), origin.row(source, stage, seed))).collect()
}

/// The anchors of a stage, step by step.
pub fn anchors(source: &Source, plan: &AnchorPlan, domains: DomainSplit, steps: usize, seed: u64) -> Vec<Row> {
    let cells = plan.mix.slots(plan.rows * steps, seed);
    let anchor = |(slot, cell): (usize, &Cell)| source.anchor(*cell, plan.wording, domains, seed, slot as u64);
    cells.iter().enumerate().map(anchor).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use titer::{plan::SweepPlan, spec::Spec};
    use titer_data::world::World;

    use super::*;

    #[test]
    fn the_first_rows_are_the_first_of_all_rows() {
        let spec = "[[stage]]\nrows = 64\nbatch = 8\nmix = { \"bad→good\" = 0.5, rest = \"neutral→good\" }\n\
                    guards = { anchor = { share = 0.25 } }\n";
        let plan = SweepPlan::resolve(&Spec::parse(spec, Path::new("spec.toml")).unwrap()).unwrap();
        let source = Source::from(World::new(0));
        for stage in plan.arms.iter().flat_map(|arm| &arm.stages) {
            let mut all = of_stage(&source, stage, 3);
            let mut names = BTreeSet::new();
            assert_eq!(all.len(), 64);
            all.retain(|(name, _)| names.insert(name.clone()));
            assert!(names.len() > 1 && names.iter().any(|name| name.starts_with("anchor ")), "{names:?}");
            assert_eq!(first_of_stage(&source, stage, 3), all);
        }
    }
}
