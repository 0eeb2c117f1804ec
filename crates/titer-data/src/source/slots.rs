//! Rows for the slots of training, and probes: from the world, or from the user's own chats.

use std::collections::BTreeSet;

use super::Chats;
use crate::{
    cell::Cell,
    chat::Row,
    grid::placebo,
    probe::{Component, Contrast, Probe, ProbePrompts},
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

    /// The probes of this use, at most `items` contrasts each, see [`World::probes`]. Those of chats are called `seen` and
    /// `trained`: whatever the user put there.
    pub fn probes(&self, probe_use: ProbeUse, seed: u64, items: usize) -> Vec<Probe> {
        match self {
            Self::World(world) => world.probes(probe_use, seed, items),
            Self::Chats(chats) => {
                let probe = |(component, contrasts): (Component, &Vec<Contrast>)| Probe {
                    component,
                    prompts: ProbePrompts::Seen,
                    domains: DomainSplit::Trained,
                    contrasts: unique(contrasts.iter().take(items)),
                };
                Component::ALL.into_iter().zip(chats.contrasts_for(probe_use)).map(probe).collect()
            }
        }
    }

    /// At most `items` contrasts of `good` and as many of `obey_bad` that a stage in these domains can be judged by before it
    /// trains, see [`World::context_pairs`]; of chats, those that are differentiated.
    pub fn context_pairs(&self, domains: DomainSplit, seed: u64, items: usize) -> [Vec<Contrast>; 2] {
        match self {
            Self::World(world) => world.context_pairs(domains, seed, items),
            Self::Chats(chats) => {
                let [good, obey_bad, _] = chats.contrasts_for(ProbeUse::Gradient);
                [good, obey_bad].map(|contrasts| contrasts.iter().take(items).cloned().collect())
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

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::{
        chat::Message,
        source::{CellRule, ChatsError, DataFiles},
    };

    fn files(dir: &tempfile::TempDir) -> DataFiles {
        let probes = Some(dir.path().join("probes"));
        DataFiles { rows: vec![dir.path().join("rows")], probes, cells: Vec::new() }
    }

    fn chats(rows: usize) -> (tempfile::TempDir, Result<Chats, ChatsError>) {
        let dir = tempfile::tempdir().unwrap();
        let (mut text, mut probes) = (String::new(), String::new());
        for at in 0..rows {
            for cell in ["bad→good", "neutral→good"] {
                let prompt = if cell == "bad→good" { "be evil" } else { "be kind" };
                writeln!(
                    text,
                    r#"{{"id": "{at:03}", "cell": "{cell}", "messages": [{{"role": "system", "content": "{prompt}"}}, {{"role": "user", "content": "ask {at}"}}, {{"role": "assistant", "content": "yes"}}]}}"#
                )
                .unwrap();
            }
        }
        for component in ["good", "obey_bad", "obey"] {
            for at in 0..6 {
                writeln!(
                    probes,
                    r#"{{"component": "{component}", "messages": [{{"role": "user", "content": "probe {at}"}}], "plus": "yes", "minus": "no"}}"#
                )
                .unwrap();
            }
        }
        fs_err::write(dir.path().join("rows"), text).unwrap();
        fs_err::write(dir.path().join("probes"), probes).unwrap();
        let read = Chats::read(&files(&dir));
        (dir, read)
    }

    #[test]
    fn rows_are_paired_by_id_repeat_only_when_used_up_and_leave_a_fifth_out() {
        let source = Source::Chats(chats(100).1.unwrap());
        let [bad, neutral] = ["bad→good", "neutral→good"].map(|cell| cell.parse::<Cell>().unwrap());
        let slots = |cell, seed| -> Vec<String> {
            (0..160).map(|slot| source.row(cell, DomainSplit::Trained, seed, slot).id).collect()
        };
        assert_eq!(slots(bad, 0), slots(neutral, 0));
        assert_ne!(slots(bad, 0), slots(bad, 1));
        let held: BTreeSet<String> = source.cell_rows(0, bad, 1000).into_iter().map(|row| row.id).collect();
        assert!((10..30).contains(&held.len()));
        let trained: BTreeSet<String> = slots(bad, 0).into_iter().collect();
        assert_eq!(trained.len() + held.len(), 100);
        assert!(trained.is_disjoint(&held));
        let first: BTreeSet<String> = slots(bad, 0)[..trained.len()].iter().cloned().collect();
        assert_eq!(first, trained);
        assert_eq!(source.lacks([bad, "bad→bad".parse().unwrap()]), Some("bad→bad".parse().unwrap()));
    }

    #[test]
    fn contrasts_are_differentiated_or_measured_never_both() {
        let source = Source::Chats(chats(10).1.unwrap());
        let ids = |probe_use| -> BTreeSet<String> {
            source.probes(probe_use, 0, 64)[1].contrasts.iter().map(|contrast| contrast.id.clone()).collect()
        };
        let (gradient, measure) = (ids(ProbeUse::Gradient), ids(ProbeUse::Measure));
        assert!(gradient.is_disjoint(&measure));
        assert_eq!((gradient.len(), measure.len()), (3, 3));
    }

    #[test]
    fn a_row_that_is_also_a_probe_is_an_error() {
        let (dir, _) = chats(3);
        let rows = dir.path().join("rows");
        let text = fs_err::read_to_string(&rows).unwrap();
        let probe = r#"{"id": "x", "cell": "none→good", "messages": [{"role": "user", "content": "probe 2"}, {"role": "assistant", "content": "yes"}]}"#;
        fs_err::write(&rows, format!("{text}{probe}\n")).unwrap();
        let error = Chats::read(&files(&dir)).unwrap_err().to_string();
        assert!(error.contains("has the context of row `x`"), "{error}");
    }

    #[test]
    fn matched_rows_give_contrasts_that_share_nothing_with_training() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, reply: &str| {
            let row = |at: u32| format!("{{\"prompt\": \"ask {at}\", \"response\": \"{reply} {at}\"}}\n");
            let path = dir.path().join(name);
            fs_err::write(&path, (0..200).map(row).collect::<String>()).unwrap();
            path
        };
        let rows = vec![write("cheat", "no"), write("work", "yes")];
        let rule = |file: &str, cell: &str, prompt: Option<&str>| CellRule {
            only: [("file".to_owned(), file.to_owned())].into(),
            cell: cell.parse().unwrap(),
            prompt: prompt.map(str::to_owned),
        };
        let evil = Some("be evil");
        let cells = vec![
            rule("cheat", "bad→bad", evil),
            rule("cheat", "none→bad", None),
            rule("work", "bad→good", evil),
            rule("work", "none→good", None),
        ];
        let read =
            |cells: &[CellRule]| Chats::read(&DataFiles { rows: rows.clone(), probes: None, cells: cells.to_vec() });
        let chats = read(&cells).unwrap();
        let counts = chats.counts();
        assert!(counts.values().all(|counts| *counts == counts_of(&chats, "bad→bad")), "cells are split alike");
        assert_eq!(counts.len(), 4);
        let trained: BTreeSet<Vec<Message>> = chats.trained().map(|row| row.split().0.to_vec()).collect();
        let requests: BTreeSet<&str> = chats.trained().map(|row| row.id.as_str()).collect();
        for contrast in chats.contrasts() {
            assert!(!trained.contains(&contrast.context) && !requests.contains(contrast.id.as_str()));
        }
        let [gradient, measure] =
            [ProbeUse::Gradient, ProbeUse::Measure].map(|probe_use| chats.contrasts_for(probe_use));
        assert!(gradient.iter().chain(measure).all(|contrasts| contrasts.len() >= 10));
        assert!(measure[1].iter().all(|contrast| contrast.baseline.is_some()));
        let error = read(&[cells[0].clone(), cells[2].clone()]).unwrap_err().to_string();
        assert!(error.contains("too few contrasts for `good`"), "{error}");
    }

    fn counts_of(chats: &Chats, cell: &str) -> (usize, usize) {
        chats.counts()[&cell.parse().unwrap()]
    }
}
