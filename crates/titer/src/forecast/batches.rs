//! From a plan's stages to the batches that a forecast goes through.

use titer_data::{
    cell::{Action, Cell},
    mix::Mix,
    world::DomainSplit,
};

use super::{kernel::Kernel, motion::StageBatches};
use crate::plan::{OptimiserPlan, StagePlan};

/// Which batch a row is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// As in the run of this seed.
    Slots(u64),
    /// As evenly as whole rows can be, so that a cell's rows come one by one and not by chance together.
    Even,
}

/// Why a kernel cannot speak of a mix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForecastError {
    /// It was measured without such rows.
    #[error(
        "the kernel knows no rows of `{cell}` in {domains} domains. Where there are such rows now, measure it again into another --kernel; of chats whose other action has rows too, at least 8 on the same contexts are needed"
    )]
    Unknown {
        /// What is trained.
        cell: Cell,
        /// Where.
        domains: DomainSplit,
    },
    /// It was measured for plain gradient descent only.
    #[error(
        "the kernel has no second moments, so it cannot forecast Adam: measure it again into another --kernel, or plan sgd"
    )]
    NoMoments,
}

/// The kinds that are trained, as indices into the kernel's.
///
/// # Errors
/// Where the kernel lacks what is trained.
pub fn kinds<'a>(
    kernel: &Kernel,
    stages: impl IntoIterator<Item = &'a StagePlan>,
) -> Result<Vec<usize>, ForecastError> {
    let mut kinds: Vec<usize> = Vec::new();
    for stage in stages {
        if !kernel.about.adam && matches!(stage.optimiser, OptimiserPlan::AdamW { .. }) {
            return Err(ForecastError::NoMoments);
        }
        let domains = stage.domains;
        for (cell, _) in trained(stage) {
            let kind = kernel.kind(cell.prompt, domains);
            let unknown = || ForecastError::Unknown { cell, domains };
            let kind = kind.filter(|&kind| kernel.kinds[kind].shown[index(cell.action)]).ok_or_else(unknown)?;
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
    }
    Ok(kinds)
}

/// Every stage as the integrator takes it, with its rows counted by these kinds.
///
/// # Panics
/// Where a trained kind is not among them.
pub fn stage_batches(
    kernel: &Kernel,
    kinds: &[usize],
    stages: &[StagePlan],
    placement: Placement,
) -> Vec<StageBatches> {
    let stretch = |stage: &StagePlan| {
        let kind = |cell: Cell| {
            let wanted = kernel.kind(cell.prompt, stage.domains);
            kinds.iter().position(|kind| Some(*kind) == wanted).expect("every trained cell has its kind")
        };
        let mut batches = vec![vec![[0.0; 2]; kinds.len()]; stage.steps];
        let rewritten = |cell: Cell| stage.guards.rewrite.map_or(cell, |rewrite| rewrite.of(cell));
        let anchors = stage.guards.anchor.as_ref();
        // Anchors take the last places of every batch.
        let kept = stage.batch - anchors.map_or(0, |anchor| anchor.rows);
        match placement {
            Placement::Slots(seed) => {
                let mut place = |mix: &Mix, rows: usize, batch: usize, kept: usize| {
                    for (slot, cell) in
                        mix.slots(rows, seed).into_iter().enumerate().filter(|(slot, _)| slot % batch < kept)
                    {
                        batches[slot / batch][kind(rewritten(cell))][index(cell.action)] += 1.0;
                    }
                };
                place(&stage.mix, stage.rows, stage.batch, kept);
                if let Some(anchor) = anchors {
                    place(&anchor.mix, anchor.rows * stage.steps, anchor.rows, anchor.rows);
                }
            }
            Placement::Even => {
                let left = kept as f64 / stage.batch as f64;
                let of_mix = stage.cells().iter().map(|&(cell, rows)| (rewritten(cell), rows as f64 * left));
                let anchors =
                    anchors.into_iter().flat_map(|anchor| anchor.cells.iter().map(|&(cell, rows)| (cell, rows as f64)));
                for (cell, rows) in of_mix.chain(anchors) {
                    let mut placed = 0.0;
                    let share = rows / stage.steps as f64;
                    for (step, batch) in batches.iter_mut().enumerate() {
                        let wanted = ((step as f64 + 1.0) * share + 0.5 - 1e-9).floor().min(rows);
                        batch[kind(cell)][index(cell.action)] += wanted - placed;
                        placed = wanted;
                    }
                }
            }
        }
        StageBatches {
            rates: (0..stage.steps).map(|step| stage.lr(step)).collect(),
            optimiser: stage.optimiser.clone(),
            weight: stage.batch as f64 * stage.divisor,
            clip: stage.clip,
            batches,
        }
    };
    stages.iter().map(stretch).collect()
}

/// The cells that a stage trains and their rows, as its guards leave them; anchors on top of the rows that they replace.
pub fn trained(stage: &StagePlan) -> Vec<(Cell, usize)> {
    let rewritten = |cell: Cell| stage.guards.rewrite.map_or(cell, |rewrite| rewrite.of(cell));
    let of_mix = stage.cells().iter().map(|&(cell, rows)| (rewritten(cell), rows));
    let anchors = stage.guards.anchor.iter().flat_map(|anchor| &anchor.cells);
    of_mix.chain(anchors.copied()).collect()
}

fn index(action: Action) -> usize {
    usize::from(action == Action::Bad)
}
