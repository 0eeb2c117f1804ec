//! Where rows and probes come from: the synthetic world, or the user's own chats.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use rand::seq::SliceRandom as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    candidate::{Candidate, Turn},
    cell::Cell,
    chat::{Message, Role, Row},
    formats::{ContrastsError, read_contrasts},
    grid::placebo,
    label::{CellRule, LabelError, read_labelled},
    pairs,
    pool::Pool,
    probe::{Component, Contrast, Probe},
    stream::{Purpose, hash, pick, stream},
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

/// The files of labelled rows and contrasts of a user's own, as `[data]` in a spec names them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataFiles {
    /// Files of chat rows.
    #[serde(deserialize_with = "one_or_many")]
    pub rows: Vec<PathBuf>,
    /// A file of contrasts; without one, rows of both actions with one id or one context are the contrasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<PathBuf>,
    /// Which rows belong to which cells; without rules, each row says so itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<CellRule>,
}

impl DataFiles {
    /// Every file, in order.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.rows.iter().chain(&self.probes).map(PathBuf::as_path)
    }

    /// The files' names, for messages.
    pub fn names(&self) -> String {
        self.files().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    }
}

/// A path, or a list of them.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a file or a list of files")]
    enum Paths {
        One(PathBuf),
        Many(Vec<PathBuf>),
    }
    Ok(match Paths::deserialize(deserializer)? {
        Paths::One(path) => vec![path],
        Paths::Many(paths) => paths,
    })
}

/// Why files give no source.
#[derive(Debug, thiserror::Error)]
pub enum ChatsError {
    /// The rows cannot be read or have no cells.
    #[error(transparent)]
    Rows(#[from] LabelError),
    /// The contrasts cannot be read.
    #[error(transparent)]
    Contrasts(#[from] ContrastsError),
    /// They do not hold what is needed; the text is one sentence.
    #[error("{0}")]
    Lacks(String),
}

impl Chats {
    /// Reads rows, each with its cell, and contrasts. Where there is no file of contrasts, the rows that are held out give
    /// them (see [`pairs::contrasts`]); rows with one name are held out together.
    ///
    /// # Errors
    /// Where a file cannot be read, a row has no cell, ids repeat within a cell, a component has no contrast for one of the
    /// two uses, or a row that is trained on shares its context with a contrast.
    pub fn read(data: &DataFiles) -> Result<Self, ChatsError> {
        let (mut trained, mut held_out) = (Rows::new(), Rows::new());
        for row in read_labelled(&data.rows, &data.cells)? {
            let cell = row.cell.expect("labelled rows have cells");
            let is_held = hash([row.id.as_str()]).is_multiple_of(5);
            let rows = if is_held { &mut held_out } else { &mut trained };
            if let Some(twin) = rows.entry(cell).or_default().insert(row.id.clone(), row) {
                let problem = "its id occurs twice in its cell: give every row its own";
                return Err(ChatsError::Lacks(format!("{}, `{}`: {problem}", data.names(), twin.id)));
            }
        }
        let all = match &data.probes {
            Some(path) => read_contrasts(path)?,
            None => pairs::contrasts(held_out.values().flat_map(BTreeMap::values)),
        };
        // Rows that are held out for contrasts of their own are not trained on.
        let apart = if data.probes.is_some() { vec![&trained, &held_out] } else { vec![&trained] };
        let rows = apart.iter().flat_map(|cells| cells.values()).flat_map(BTreeMap::values);
        let contexts: BTreeMap<&[Message], &str> = rows.map(|row| (row.split().0, row.id.as_str())).collect();
        for contrast in all.iter().flatten() {
            if let Some(row) = contexts.get(contrast.context.as_slice()) {
                return Err(ChatsError::Lacks(format!(
                    "{}: contrast `{}` has the context of row `{row}`: rows must share no context with the probes; give \
                     rows of one context one id",
                    data.names(),
                    contrast.id
                )));
            }
        }
        let contrasts = [false, true].map(|odd| all.each_ref().map(|contrasts| every_second(contrasts, odd)));
        if let Some(component) = contrasts
            .iter()
            .flat_map(|use_of| Component::ALL.into_iter().zip(use_of))
            .find_map(|(component, own)| own.is_empty().then_some(component))
        {
            let problem = match data.probes {
                Some(_) => "each component needs two contrasts, one to differentiate and one to measure",
                None => {
                    "a fifth of the rows, by their ids, is held out to give contrasts, and each component needs two: rows of \
                     both actions with one id or one context, some with a bad prompt and some without; or name a file of \
                     contrasts as `probes`"
                }
            };
            return Err(ChatsError::Lacks(format!(
                "{}: too few contrasts for `{}`: {problem}",
                data.names(),
                component.word()
            )));
        }
        let lists = |rows: Rows| rows.into_iter().map(|(cell, rows)| (cell, rows.into_values().collect())).collect();
        Ok(Self { trained: lists(trained), held_out: lists(held_out), contrasts })
    }

    /// How many rows of each cell are trained on and held out.
    pub fn counts(&self) -> BTreeMap<Cell, (usize, usize)> {
        let count = |rows: &BTreeMap<Cell, Vec<Row>>, cell| rows.get(cell).map_or(0, Vec::len);
        let cells: BTreeSet<&Cell> = self.trained.keys().chain(self.held_out.keys()).collect();
        cells.into_iter().map(|cell| (*cell, (count(&self.trained, cell), count(&self.held_out, cell)))).collect()
    }

    /// Every row, those that are held out too.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.trained.values().chain(self.held_out.values()).flatten()
    }

    /// Every contrast, of both uses.
    pub fn contrasts(&self) -> impl Iterator<Item = &Contrast> {
        self.contrasts.iter().flatten().flatten()
    }

    /// The rows of `cell` in the order in which the slots of a seed get them, see [`Source::row`].
    pub fn in_order(&self, seed: u64, cell: Cell) -> Vec<&Row> {
        let rows = self.trained.get(&cell).map_or(&[][..], Vec::as_slice);
        order(rows.len(), seed, 0).into_iter().map(|at| &rows[at]).collect()
    }

    /// Every row that may be trained on.
    pub fn trained(&self) -> impl Iterator<Item = &Row> {
        self.trained.values().flatten()
    }
}

/// Places of a cell's rows as a seed's slots get them; each pass through them has its own.
fn order(rows: usize, seed: u64, pass: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    order.shuffle(&mut stream(seed, Purpose::Order, rows as u64, pass));
    order
}

/// Rows by cell and id.
type Rows = BTreeMap<Cell, BTreeMap<String, Row>>;

/// Every second contrast in the order of their ids, so that both uses have some where there are two.
fn every_second(contrasts: &[Contrast], odd: bool) -> Vec<Contrast> {
    let mut sorted: Vec<&Contrast> = contrasts.iter().collect();
    sorted.sort_by_key(|contrast| (hash([contrast.id.as_str()]), contrast.id.clone()));
    let own = sorted.into_iter().enumerate().filter(|(at, _)| (at % 2 == 1) == odd);
    own.map(|(_, contrast)| contrast.clone()).collect()
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
                let (pass, place) = (slot / rows.len() as u64, slot % rows.len() as u64);
                rows[order(rows.len(), seed, pass)[place as usize]].clone()
            }
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
        let own = row.messages.iter().find(|message| message.role == Role::System);
        let prompt = match (pool, own) {
            (None, _) | (Some(Pool::Placebo), None) => return row,
            (Some(Pool::None), _) => Candidate::new(""),
            (Some(Pool::Placebo), Some(own)) => Candidate::new(placebo(&own.content, world)),
            (Some(Pool::Paraphrases), _) => {
                Candidate::new(world.expect("only a world has paraphrases").paraphrase(seed, slot))
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

    /// At most `items` contrasts of `good` and as many of `obey_bad` that a stage in these domains can be judged by before it
    /// trains, see [`World::context_pairs`]; of chats, those that are differentiated.
    pub fn context_pairs(&self, domains: DomainSplit, seed: u64, items: usize) -> [Vec<Contrast>; 2] {
        match self {
            Self::World(world) => world.context_pairs(domains, seed, items),
            Self::Chats(chats) => {
                let [good, obey_bad, _] = &chats.contrasts[0];
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
        for contrast in chats.contrasts.iter().flatten().flatten() {
            assert!(!trained.contains(&contrast.context) && !requests.contains(contrast.id.as_str()));
        }
        let [gradient, measure] = &chats.contrasts;
        assert!(gradient.iter().chain(measure).all(|contrasts| contrasts.len() >= 10));
        assert!(measure[1].iter().all(|contrast| contrast.baseline.is_some()));
        let error = read(&[cells[0].clone(), cells[2].clone()]).unwrap_err().to_string();
        assert!(error.contains("too few contrasts for `good`"), "{error}");
    }

    fn counts_of(chats: &Chats, cell: &str) -> (usize, usize) {
        chats.counts()[&cell.parse().unwrap()]
    }
}
