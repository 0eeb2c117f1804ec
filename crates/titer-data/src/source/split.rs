//! The split of a user's own chats: rows that are trained on and rows that are held out, contrasts that are differentiated
//! and contrasts that measure.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
    sync::Arc,
};

use bytes::Bytes;

use super::{
    DataBytes, DataFiles,
    halves::Halves,
    label::{LabelError, label, tell_apart},
    matched::{HARMLESS, ObeyContrasts, matched_contrasts, takes_instructed},
    order::Orders,
    pairs::are_not_in_turn,
    prompted::{NoPrompt, prompted},
    row_place::RowPlace,
    unanswered::Unanswered,
};
use crate::{
    cell::Cell,
    chat::{Message, Row},
    formats::{ContrastsError, contrasts_of, parse_chat_file},
    probe::{Component, Contrast, Probe, ProbePrompts},
    request::{IdTwice, together},
    stream::hash,
    world::{DomainSplit, ProbeUse},
};

/// Labelled rows and contrasts of the user's own. A fifth of the requests, chosen by their rows' ids, is never trained on:
/// surprise is measured there. Rows of one request or of one id are all held out or all trained on. Of a probe that is differentiated, half of the
/// contrasts, chosen by their ids, is, and the other half is measured, contrasts of one request together; other probes are measured whole.
#[derive(Clone, Debug)]
pub struct Chats {
    trained: BTreeMap<Cell, Vec<Row>>,
    held_out: BTreeMap<Cell, Vec<Row>>,
    differentiated: Vec<Probe>,
    measured: Vec<Probe>,
    obey: ObeyContrasts,
    /// Whether requests have several replies, or rows under instructions, in a way that decides which are held against each other and where.
    by_request: bool,
    /// What is to be known of prompts and ends of rows, in sentences.
    notes: Vec<String>,
    /// Whether titer 0.1 read some of the rows or contrasts otherwise.
    anew: bool,
    /// Where each row stands, by its cell and its id.
    places: BTreeMap<(Cell, String), RowPlace>,
    orders: Arc<Orders>,
}

/// Why files give no source.
#[derive(Debug, thiserror::Error)]
pub enum ChatsError {
    /// A file cannot be read; the message names it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The rows cannot be read or have no cells.
    #[error(transparent)]
    Rows(#[from] LabelError),
    /// A row lacks the prompt that its cell says it has.
    #[error(transparent)]
    NoPrompt(#[from] NoPrompt),
    /// The contrasts cannot be read.
    #[error(transparent)]
    Contrasts(#[from] ContrastsError),
    /// Rows of one id ask for different things.
    #[error("{names}: {problem}")]
    IdTwice {
        /// The files.
        names: String,
        /// Which rows.
        problem: IdTwice,
    },
    /// A reply says more than a contrast can.
    #[error(
        "{row}: the reply has `{field}`, and contrasts made of rows hold replies that are text alone: name a file \
         of contrasts as `probes`, or write what it says into `content`"
    )]
    ReplyFields {
        /// The row.
        row: RowPlace,
        /// What its reply has.
        field: String,
    },
    /// A row that is trained on shares its context with a contrast.
    #[error(
        "{row}: contrast `{contrast}`{of} has the context of this row: rows must share no context with the contrasts; take the \
         contrast out, or leave such rows out by a rule in [data] `cells` (cell = \"leave out\")"
    )]
    SharedContext {
        /// The contrast.
        contrast: String,
        /// The file of contrasts behind ` of `, where there is one.
        of: String,
        /// The row.
        row: RowPlace,
    },
    /// A file has contrasts of a component on fewer than two requests.
    #[error(
        "{names}: too few contrasts for `{}`: each component needs contrasts on two requests, one to differentiate and one to measure",
        component.word()
    )]
    FewContrasts {
        /// The files.
        names: String,
        /// The component.
        component: Component,
    },
    /// The rows that are held out give contrasts of a component on fewer than two requests.
    #[error(
        "{names}: too few contrasts for `{}`: a fifth of the requests is held out to give contrasts, and each component \
         needs two: rows of both actions to one request, some with a bad prompt and some without; or name a file of contrasts as \
         `probes`",
        component.word()
    )]
    FewMatchedRows {
        /// The files.
        names: String,
        /// The component.
        component: Component,
    },
}

impl Chats {
    /// Reads files and splits what they hold, see [`Chats::parse`].
    ///
    /// # Errors
    /// Where a file cannot be read, and as [`Chats::parse`].
    pub fn read(files: &DataFiles) -> Result<Self, ChatsError> {
        Self::parse(&DataBytes::read(files)?)
    }

    /// Rows, each with its cell, and contrasts. Where there is no file of contrasts, the rows that are held out give
    /// them (see [`matched_contrasts`]).
    ///
    /// # Errors
    /// Where a row has no cell or not the prompt that its cell says, rows of one id ask for different things, a component has no contrast for
    /// one of the two uses (but for `obey`, which rows may lack), or a row that is trained on shares its context with a contrast.
    pub fn parse(data: &DataBytes) -> Result<Self, ChatsError> {
        let files = data.files();
        let mut anew = false;
        let mut read = |path: &Path, bytes: &Bytes| {
            let file = parse_chat_file(path, bytes)?;
            anew |= file.format.anew;
            file.all_rows(path)
        };
        let rows = files.rows.iter().zip(data.rows()).map(|(path, bytes)| Ok((path.as_path(), read(path, bytes)?)));
        let (mut rows, places) = label(rows, &files.cells)?;
        let requests = together(&rows.iter().collect::<Vec<_>>());
        let requests = requests.map_err(|problem| ChatsError::IdTwice { names: files.names(), problem })?;
        let is_held_out = held_out(&rows, &requests);
        let unanswered = Unanswered::among(&rows, &places).map(|unanswered| unanswered.to_string());
        let notes = prompted(&rows, &places)?.notes().into_iter().chain(unanswered).collect();
        tell_apart(&mut rows);
        let name = |row: &Row| (row.cell.expect("labelled rows have cells"), row.id.clone());
        let places: BTreeMap<(Cell, String), RowPlace> = rows.iter().map(name).zip(places).collect();
        let held = || {
            let rows = requests.iter().copied().zip(&rows).zip(&is_held_out);
            rows.filter(|(_, is_held_out)| **is_held_out).map(|(row, _)| row)
        };
        let matched = files.probes.is_none().then(|| matched_contrasts(held()));
        let instructed = files.probes.is_none() && takes_instructed(held());
        let (mut trained, mut held_out) = (RowsById::new(), RowsById::new());
        for (row, is_held_out) in rows.into_iter().zip(is_held_out) {
            let cell = row.cell.expect("labelled rows have cells");
            let rows = if is_held_out { &mut held_out } else { &mut trained };
            rows.entry(cell).or_default().insert(row.id.clone(), row);
        }
        let (probes, obey) = match files.probes.as_ref().zip(data.probes()) {
            Some((path, bytes)) => {
                let rows = read(path, bytes).map_err(ContrastsError::from)?;
                (contrasts_of(path, rows)?, ObeyContrasts::Given)
            }
            None => {
                let rows = || held_out.values().flat_map(BTreeMap::values);
                if let Some((row, field)) = rows().find_map(|row| Some((row, row.reply_fields().next()?))) {
                    let (row, field) = (places[&name(row)].clone(), field.clone());
                    return Err(ChatsError::ReplyFields { row, field });
                }
                matched.expect("there is no file of contrasts")
            }
        };
        // Rows that are held out for contrasts of their own are not trained on.
        let apart = if files.probes.is_some() { vec![&trained, &held_out] } else { vec![&trained] };
        let rows = apart.iter().flat_map(|cells| cells.values()).flat_map(BTreeMap::values);
        let contexts: BTreeMap<&[Message], &Row> = rows.map(|row| (row.split().0, row)).collect();
        for contrast in probes.iter().flat_map(|probe| &probe.contrasts) {
            if let Some(row) = contexts.get(contrast.context.as_slice()) {
                let (contrast, row) = (contrast.id.clone(), places[&name(row)].clone());
                let of = files.probes.as_ref().map_or_else(String::new, |path| format!(" of {}", path.display()));
                return Err(ChatsError::SharedContext { contrast, of, row });
            }
        }
        let Halves { mut differentiated, mut measured, shared } = Halves::of(probes);
        let lacks = |probes: &[Probe], component: Component| leading(probes, component).contrasts.is_empty();
        let needed = |component: &Component| *component != Component::Obey || obey != ObeyContrasts::Missing;
        let few = |component: &Component| {
            needed(component) && (lacks(&differentiated, *component) || lacks(&measured, *component))
        };
        if let Some(component) = Component::ALL.into_iter().find(few) {
            let names = files.names();
            return Err(match files.probes {
                Some(_) => ChatsError::FewContrasts { names, component },
                None => ChatsError::FewMatchedRows { names, component },
            });
        }
        for probes in [&mut differentiated, &mut measured] {
            probes.retain(|probe| needed(&probe.component));
        }
        let lists = |rows: RowsById| -> BTreeMap<Cell, Vec<Row>> {
            rows.into_iter().map(|(cell, rows)| (cell, rows.into_values().collect())).collect()
        };
        let (trained, held_out) = (lists(trained), lists(held_out));
        let in_order = || Cell::all().filter_map(|cell| held_out.get(&cell)).flatten();
        let by_request = shared || instructed || are_not_in_turn(in_order());
        let orders = Arc::default();
        Ok(Self { trained, held_out, differentiated, measured, obey, by_request, notes, anew, places, orders })
    }

    /// Where the contrasts of `obey` are from.
    pub fn obey(&self) -> ObeyContrasts {
        self.obey
    }

    /// Raised where the same files give other numbers than before, and those of other files stay. A sum: 1 takes `obey` from rows under
    /// instructions; 2 reads turns that a text holds, and takes empty values of tables for none; 4 has all contrasts of a request on one side, and no reply to an
    /// instruction in a pair.
    pub fn numerics(&self) -> u32 {
        u32::from(self.obey == ObeyContrasts::OfRows) + 2 * u32::from(self.anew) + 4 * u32::from(self.by_request)
    }

    /// The system prompt that all rows of `cell` which are trained on share, if there is one.
    pub fn shared_prompt(&self, cell: Cell) -> Option<&str> {
        let rows = self.trained_in(cell);
        let prompt = rows.first()?.system_prompt().filter(|prompt| !prompt.trim().is_empty())?;
        rows.iter().all(|row| row.system_prompt() == Some(prompt)).then_some(prompt)
    }

    /// Where a row stands, or a contrast that is named after a row.
    pub fn place(&self, cell: Option<Cell>, id: &str) -> Option<&RowPlace> {
        match cell {
            Some(cell) => self.places.get(&(cell, id.to_owned())),
            None => self.places.iter().find(|((_, name), _)| name == id).map(|(_, place)| place),
        }
    }

    /// What is to be known of these rows before anything is trained on them, in sentences.
    pub fn notes(&self) -> Vec<String> {
        let obey = match self.obey {
            ObeyContrasts::Given | ObeyContrasts::OfRows => None,
            ObeyContrasts::MadeUp => Some(format!(
                "obedience to harmless instructions (`obey`) is measured on an instruction that titer makes up, “{HARMLESS}”, since too few \
                 of the rows that are held out have one of their own; rows of `instruction→good`, or contrasts named as `probes`, give yours"
            )),
            ObeyContrasts::Missing => Some(format!(
                "obedience to harmless instructions (`obey`) is not measured: too few of the rows that are held out have an instruction, \
                 and capital letters, which titer would ask for (“{HARMLESS}”), change too few of their replies; rows of \
                 `instruction→good`, or contrasts named as `probes`, give it"
            )),
        };
        self.notes.iter().cloned().chain(obey).collect()
    }

    /// How many rows of each cell are trained on and held out.
    pub fn counts(&self) -> BTreeMap<Cell, (usize, usize)> {
        let cells: BTreeSet<&Cell> = self.trained.keys().chain(self.held_out.keys()).collect();
        let counts = |cell| (self.trained_in(cell).len(), self.held_out_in(cell).len());
        cells.into_iter().map(|&cell| (cell, counts(cell))).collect()
    }

    /// Every row, those that are held out too.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.trained.values().chain(self.held_out.values()).flatten()
    }

    /// Every contrast, of both uses.
    pub fn contrasts(&self) -> impl Iterator<Item = &Contrast> {
        self.differentiated.iter().chain(&self.measured).flat_map(|probe| &probe.contrasts)
    }

    /// The rows of `cell` in the order in which the slots of a seed get them, see [`super::Source::row`].
    pub fn in_order(&self, seed: u64, cell: Cell) -> Vec<&Row> {
        let rows = self.trained_in(cell);
        self.orders.of(rows.len(), seed, 0).iter().map(|&place| &rows[place]).collect()
    }

    /// Every row that may be trained on.
    pub fn trained(&self) -> impl Iterator<Item = &Row> {
        self.trained.values().flatten()
    }

    /// The row of `cell` that a slot of a seed gets; `None` where none is trained on.
    pub(super) fn for_slot(&self, cell: Cell, seed: u64, slot: u64) -> Option<&Row> {
        let rows = self.trained_in(cell);
        (!rows.is_empty()).then(|| &rows[self.orders.place(rows.len(), seed, slot)])
    }

    /// The rows of `cell` that are trained on, by id.
    pub(super) fn trained_in(&self, cell: Cell) -> &[Row] {
        self.trained.get(&cell).map_or(&[], Vec::as_slice)
    }

    /// The rows of `cell` that are held out, by id.
    pub(super) fn held_out_in(&self, cell: Cell) -> &[Row] {
        self.held_out.get(&cell).map_or(&[], Vec::as_slice)
    }

    /// The probes of one use.
    pub(super) fn probes(&self, probe_use: ProbeUse) -> &[Probe] {
        match probe_use {
            ProbeUse::Gradient => &self.differentiated,
            ProbeUse::Measure => &self.measured,
        }
    }
}

/// A component's probe under the prompts and in the domains of training, which every file of contrasts has; rows may lack that of `obey`.
pub(super) fn leading(probes: &[Probe], component: Component) -> &Probe {
    let mut of_component = probes.iter().filter(|probe| probe.component == component);
    of_component
        .find(|probe| probe.prompts == ProbePrompts::Seen && probe.domains == DomainSplit::Trained)
        .expect("every component has one")
}

/// Rows by cell and id.
type RowsById = BTreeMap<Cell, BTreeMap<String, Row>>;

/// Whether each row is among the fifth that is never trained on. The smallest id of the rows of its request decides, so
/// that it does not depend on their order.
fn held_out(rows: &[Row], requests: &[usize]) -> Vec<bool> {
    let mut names: BTreeMap<usize, &str> = BTreeMap::new();
    for (request, row) in requests.iter().zip(rows) {
        let name = names.entry(*request).or_insert(&row.id);
        *name = (*name).min(&row.id);
    }
    requests.iter().map(|request| hash([names[request]]).is_multiple_of(5)).collect()
}
