//! Where rows and probes come from: the synthetic world, or the user's own chats.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use rand::seq::SliceRandom as _;

use crate::{
    cell::Cell,
    chat::Row,
    formats::{ContrastsError, ReadError, read_contrasts, read_jsonl},
    probe::{Component, Contrast, Probe},
    stream::{Purpose, hash, stream},
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

/// Labelled rows and contrasts of the user's own. A fifth of each cell's rows, chosen by their ids, is never trained on:
/// surprise is measured there. Half of each component's contrasts, chosen by their ids, is differentiated, the other
/// half measured.
#[derive(Clone, Debug)]
pub struct Chats {
    trained: BTreeMap<Cell, Vec<Row>>,
    held_out: BTreeMap<Cell, Vec<Row>>,
    /// By use, for each of [`Component::ALL`].
    contrasts: [[Vec<Contrast>; Component::ALL.len()]; 2],
}

/// Why files give no source.
#[derive(Debug, thiserror::Error)]
pub enum ChatsError {
    /// The rows cannot be read.
    #[error(transparent)]
    Rows(#[from] ReadError),
    /// The contrasts cannot be read.
    #[error(transparent)]
    Contrasts(#[from] ContrastsError),
    /// They do not hold what is needed; the text is one sentence.
    #[error("{0}")]
    Lacks(String),
}

impl Chats {
    /// Reads rows, each with a `cell`, and contrasts.
    ///
    /// # Errors
    /// Where a file cannot be read, a row has no cell, ids repeat within a cell, a component has no contrast for one of the
    /// two uses, or a row shares its context with a contrast.
    pub fn read(rows: &Path, contrasts: &Path) -> Result<Self, ChatsError> {
        let mut cells: BTreeMap<Cell, BTreeMap<String, Row>> = BTreeMap::new();
        let mut contexts = BTreeMap::new();
        for row in read_jsonl(rows)? {
            let lacks = |problem: &str| ChatsError::Lacks(format!("{}, `{}`: {problem}", rows.display(), row.id));
            let cell = row.cell.ok_or_else(|| lacks("it has no `cell`: add one such as \"cell\": \"bad→good\""))?;
            contexts.insert(row.split().0.to_vec(), row.id.clone());
            if cells.entry(cell).or_default().contains_key(&row.id) {
                return Err(lacks("its id occurs twice in its cell: give every row its own"));
            }
            cells.entry(cell).or_default().insert(row.id.clone(), row);
        }
        let all = read_contrasts(contrasts)?;
        for contrast in all.iter().flatten() {
            if let Some(row) = contexts.get(&contrast.context) {
                return Err(ChatsError::Lacks(format!(
                    "{}: contrast `{}` has the context of row `{row}`: rows must share no context with the probes",
                    contrasts.display(),
                    contrast.id
                )));
            }
        }
        let of = |odd: bool| {
            all.each_ref().map(|contrasts| {
                // Every second one in the order of their ids, so that both uses have some where there are two.
                let mut sorted: Vec<&Contrast> = contrasts.iter().collect();
                sorted.sort_by_key(|contrast| (hash([contrast.id.as_str()]), contrast.id.clone()));
                let own = sorted.into_iter().enumerate().filter(|(at, _)| (at % 2 == 1) == odd);
                own.map(|(_, contrast)| contrast.clone()).collect::<Vec<_>>()
            })
        };
        let contrasts_of = [of(false), of(true)];
        if contrasts_of.iter().flatten().any(Vec::is_empty) {
            let problem = "each component needs two contrasts, one to differentiate and one to measure";
            return Err(ChatsError::Lacks(format!("{}: {problem}", contrasts.display())));
        }
        let (mut trained, mut held_out) = (BTreeMap::new(), BTreeMap::new());
        for (cell, rows) in cells {
            let (held, kept): (Vec<Row>, Vec<Row>) =
                rows.into_values().partition(|row| hash([row.id.as_str()]).is_multiple_of(5));
            trained.insert(cell, kept);
            held_out.insert(cell, held);
        }
        Ok(Self { trained, held_out, contrasts: contrasts_of })
    }
}

impl Source {
    /// The first of these cells that it has no rows to train on for.
    pub fn lacks(&self, cells: impl IntoIterator<Item = Cell>) -> Option<Cell> {
        match self {
            Self::World(_) => None,
            Self::Chats(chats) => {
                cells.into_iter().find(|cell| chats.trained.get(cell).is_none_or(|rows| rows.is_empty()))
            }
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
            Self::Chats(chats) => {
                let rows = &chats.trained[&cell];
                let mut order: Vec<usize> = (0..rows.len()).collect();
                order.shuffle(&mut stream(seed, Purpose::Order, rows.len() as u64, slot / rows.len() as u64));
                rows[order[(slot % rows.len() as u64) as usize]].clone()
            }
        }
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
            Self::Chats(chats) => chats.held_out.get(&cell).into_iter().flatten().take(items).cloned().collect(),
        }
    }

    /// The probes of this use, at most `items` contrasts each, see [`World::probes`]. Those of chats are called `seen` and
    /// `trained`: whatever the user put there.
    pub fn probes(&self, probe_use: ProbeUse, seed: u64, items: usize) -> Vec<Probe> {
        match self {
            Self::World(world) => world.probes(probe_use, seed, items),
            Self::Chats(chats) => {
                let own = &chats.contrasts[usize::from(probe_use == ProbeUse::Measure)];
                let probe = |(component, contrasts): (Component, &Vec<Contrast>)| Probe {
                    component,
                    prompts: "seen".to_owned(),
                    domains: "trained".to_owned(),
                    contrasts: unique(contrasts.iter().take(items)),
                };
                Component::ALL.into_iter().zip(own).map(probe).collect()
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
        let read = Chats::read(&dir.path().join("rows"), &dir.path().join("probes"));
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
        let error = Chats::read(&rows, &dir.path().join("probes")).unwrap_err().to_string();
        assert!(error.contains("has the context of row `x`"), "{error}");
    }
}
