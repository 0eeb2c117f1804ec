//! Rows for the slots of training, and probes: from the world, or from the user's own chats.

use std::collections::BTreeSet;

use super::{Chats, split::leading};
use crate::{
    cell::Cell,
    chat::Row,
    grid::placebo,
    probe::{Component, Contrast, Probe},
    prompt::{CandidatePrompt, Pool, Turn},
    stream::{Purpose, pick, stream},
    world::{AnchorWording, DomainSplit, ProbeUse, World},
};

/// Where rows and probes come from. The same calls with the same seed give the same rows.
#[derive(Clone, Debug)]
pub enum Source {
    /// Made as they are asked for.
    World(Box<World>),
    /// Read from files.
    Chats(Chats),
}

impl From<World> for Source {
    fn from(world: World) -> Self {
        Self::World(Box::new(world))
    }
}

impl Source {
    /// The first of these cells that it has no rows to train on for.
    pub fn lacks(&self, cells: impl IntoIterator<Item = Cell>) -> Option<Cell> {
        match self {
            Self::World(_) => None,
            Self::Chats(chats) => cells.into_iter().find(|cell| chats.trained_in(*cell).is_empty()),
        }
    }

    /// The row that a fine-tuning slot gets when its cell is `cell`, see [`World::row`]. Of chats it is the slot's place in
    /// an order that belongs to the seed, again from the front where there are fewer rows than slots; cells with the same
    /// ids are paired. `domains` is for the world alone.
    ///
    /// # Panics
    /// Where it [`Source::lacks`] the cell.
    pub fn row(&self, cell: Cell, domains: DomainSplit, seed: u64, slot: u64) -> Row {
        match self {
            Self::World(world) => world.row(cell, domains, seed, slot),
            Self::Chats(chats) => chats.for_slot(cell, seed, slot).expect("it lacks no cell of a mix").clone(),
        }
    }

    /// The same row under a prompt of `pool`, which depends on the seed, the slot and the pool. What is put on a row is not
    /// drawn again, so unlike its own prompts it may give a context that a probe has too.
    ///
    /// # Panics
    /// As [`Source::row`], and where chats are to be paraphrased: only a world knows how.
    pub fn row_under(&self, cell: Cell, domains: DomainSplit, seed: u64, slot: u64, pool: Option<&Pool>) -> Row {
        let row = self.row(cell, domains, seed, slot);
        let world = match self {
            Self::World(world) => Some(&**world),
            Self::Chats(_) => None,
        };
        let prompt = match (pool, row.system_prompt()) {
            (None, _) | (Some(Pool::Placebo), None) => return row,
            (Some(Pool::None), _) => CandidatePrompt::new(""),
            (Some(Pool::Placebo), Some(text)) => CandidatePrompt::new(placebo(text, world)),
            (Some(Pool::Paraphrases), _) => {
                CandidatePrompt::new(world.expect("only a world has paraphrases").paraphrase(seed, slot))
            }
            (Some(Pool::These(prompts)), _) => pick(&mut stream(seed, Purpose::Pool, slot, 1), prompts).clone(),
        };
        // The row keeps its cell: it says which slots it has and what its reply does.
        Row { cell: row.cell, ..prompt.put(&row, cell.action, Turn::System) }
    }

    /// The anchor `slot` of `cell`, see [`World::anchor`]. Of chats it is a row of the cell, in another order than
    /// [`Source::row`] gives them; `wording` and `domains` are for the world alone.
    ///
    /// # Panics
    /// Where it [`Source::lacks`] the cell.
    pub fn anchor(&self, cell: Cell, wording: AnchorWording, domains: DomainSplit, seed: u64, slot: u64) -> Row {
        match self {
            Self::World(world) => world.anchor(cell, wording, domains, seed, slot),
            Self::Chats(_) => self.row(cell, domains, !seed, slot),
        }
    }

    /// At most `items` rows of `cell` that no slot gets, see [`World::cell_rows`].
    pub fn cell_rows(&self, seed: u64, cell: Cell, items: usize) -> Vec<Row> {
        match self {
            Self::World(world) => world.cell_rows(seed, cell, items),
            Self::Chats(chats) => chats.held_out_in(cell).iter().take(items).cloned().collect(),
        }
    }

    /// The probes of this use, at most `items` contrasts each, see [`World::probes`]. Those of chats are the user's; where nothing else is
    /// said of their prompts and domains, they are `seen` and `trained`.
    pub fn probes(&self, probe_use: ProbeUse, seed: u64, items: usize) -> Vec<Probe> {
        match self {
            Self::World(world) => world.probes(probe_use, seed, items),
            Self::Chats(chats) => {
                let first = |probe: &Probe| Probe { contrasts: unique(probe.contrasts.iter().take(items)), ..*probe };
                chats.probes(probe_use).iter().map(first).collect()
            }
        }
    }

    /// At most `items` contrasts of `good` and as many of `obey_bad` that a stage in these domains can be judged by before it
    /// trains, see [`World::context_pairs`]; of chats, those that are differentiated.
    pub fn context_pairs(&self, domains: DomainSplit, seed: u64, items: usize) -> [Vec<Contrast>; 2] {
        match self {
            Self::World(world) => world.context_pairs(domains, seed, items),
            Self::Chats(chats) => {
                let probes = chats.probes(ProbeUse::Gradient);
                [Component::Good, Component::ObeyBad]
                    .map(|component| leading(probes, component).contrasts.iter().take(items).cloned().collect())
            }
        }
    }
}

/// Contrasts whose ids tell them apart, which tables rely on.
fn unique<'a>(contrasts: impl Iterator<Item = &'a Contrast>) -> Vec<Contrast> {
    let mut seen = BTreeSet::new();
    contrasts
        .map(|contrast| {
            let mut id = contrast.id.clone();
            while !seen.insert(id.clone()) {
                id.push('+');
            }
            Contrast { id, ..contrast.clone() }
        })
        .collect()
}
