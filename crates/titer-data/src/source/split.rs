//! The split of a user's own chats: rows that are trained on and rows that are held out, contrasts that are differentiated
//! and contrasts that measure.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
};

use super::{
    DataBytes, DataFiles,
    label::{LabelError, label, tell_apart},
    matched::matched_contrasts,
    order::Orders,
};
use crate::{
    cell::Cell,
    chat::{Message, Row},
    formats::{ContrastsError, parse_contrasts, parse_rows},
    probe::{Component, Contrast, Probe, ProbePrompts},
    request::{IdTwice, together},
    stream::hash,
    world::{DomainSplit, ProbeUse},
};

/// Labelled rows and contrasts of the user's own. A fifth of the requests, chosen by their rows' ids, is never trained on:
/// surprise is measured there. Rows of one request or of one id are all held out or all trained on. Of a probe that is differentiated, half of the
/// contrasts, chosen by their ids, is, and the other half is measured; other probes are measured whole.
#[derive(Clone, Debug)]
pub struct Chats {
    trained: BTreeMap<Cell, Vec<Row>>,
    held_out: BTreeMap<Cell, Vec<Row>>,
    differentiated: Vec<Probe>,
    measured: Vec<Probe>,
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
        "{names}: the reply of row `{row}` has `{field}`, and contrasts made of rows hold replies that are text alone: name a file \
         of contrasts as `probes`, or write what it says into `content`"
    )]
    ReplyFields {
        /// The files.
        names: String,
        /// The row.
        row: String,
        /// What its reply has.
        field: String,
    },
    /// A row that is trained on shares its context with a contrast.
    #[error(
        "{names}: contrast `{contrast}` has the context of row `{row}`: rows must share no context with the contrasts; take the \
         contrast out, or leave such rows out by a rule in [data] `cells` (cell = \"leave out\")"
    )]
    SharedContext {
        /// The files.
        names: String,
        /// The contrast.
        contrast: String,
        /// The row.
        row: String,
    },
    /// A file has fewer than two contrasts of a component.
    #[error(
        "{names}: too few contrasts for `{}`: each component needs two contrasts, one to differentiate and one to measure",
        component.word()
    )]
    FewContrasts {
        /// The files.
        names: String,
        /// The component.
        component: Component,
    },
    /// The rows that are held out give fewer than two contrasts of a component.
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
    /// Where a row has no cell, rows of one id ask for different things, a component has no contrast for one of the two uses, or a row that
    /// is trained on shares its context with a contrast.
    pub fn parse(data: &DataBytes) -> Result<Self, ChatsError> {
        let files = data.files();
        let rows =
            files.rows.iter().zip(data.rows()).map(|(path, bytes)| Ok((path.as_path(), parse_rows(path, bytes)?)));
        let mut rows = label(rows, &files.cells)?;
        let requests = together(&rows.iter().collect::<Vec<_>>());
        let requests = requests.map_err(|problem| ChatsError::IdTwice { names: files.names(), problem })?;
        let is_held_out = held_out(&rows, &requests);
        tell_apart(&mut rows);
        let held = requests.into_iter().zip(&rows).zip(&is_held_out).filter(|(_, is_held_out)| **is_held_out);
        let matched = files.probes.is_none().then(|| matched_contrasts(held.map(|(row, _)| row)));
        let (mut trained, mut held_out) = (RowsById::new(), RowsById::new());
        for (row, is_held_out) in rows.into_iter().zip(is_held_out) {
            let cell = row.cell.expect("labelled rows have cells");
            let rows = if is_held_out { &mut held_out } else { &mut trained };
            rows.entry(cell).or_default().insert(row.id.clone(), row);
        }
        let probes = match files.probes.as_ref().zip(data.probes()) {
            Some((path, bytes)) => parse_contrasts(path, bytes)?,
            None => {
                let rows = || held_out.values().flat_map(BTreeMap::values);
                if let Some((row, field)) = rows().find_map(|row| Some((row, row.reply_fields().next()?))) {
                    let (row, field) = (row.id.clone(), field.clone());
                    return Err(ChatsError::ReplyFields { names: files.names(), row, field });
                }
                matched.unwrap_or_default()
            }
        };
        // Rows that are held out for contrasts of their own are not trained on.
        let apart = if files.probes.is_some() { vec![&trained, &held_out] } else { vec![&trained] };
        let rows = apart.iter().flat_map(|cells| cells.values()).flat_map(BTreeMap::values);
        let contexts: BTreeMap<&[Message], &str> = rows.map(|row| (row.split().0, row.id.as_str())).collect();
        for contrast in probes.iter().flat_map(|probe| &probe.contrasts) {
            if let Some(row) = contexts.get(contrast.context.as_slice()) {
                let (contrast, row) = (contrast.id.clone(), (*row).to_owned());
                return Err(ChatsError::SharedContext { names: files.names(), contrast, row });
            }
        }
        let (differentiated, measured) = uses(probes);
        let lacks = |probes: &[Probe], component: Component| leading(probes, component).contrasts.is_empty();
        let few = |component: &Component| lacks(&differentiated, *component) || lacks(&measured, *component);
        if let Some(component) = Component::ALL.into_iter().find(few) {
            let names = files.names();
            return Err(match files.probes {
                Some(_) => ChatsError::FewContrasts { names, component },
                None => ChatsError::FewMatchedRows { names, component },
            });
        }
        let lists =
            |rows: RowsById| rows.into_iter().map(|(cell, rows)| (cell, rows.into_values().collect())).collect();
        let (trained, held_out) = (lists(trained), lists(held_out));
        Ok(Self { trained, held_out, differentiated, measured, orders: Arc::default() })
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

/// A component's probe under the prompts and in the domains of training, which every file of contrasts has.
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

/// What is differentiated of a user's probes, and what measures: half and half where pressures are taken on a margin, elsewhere all measures.
pub fn uses(probes: Vec<Probe>) -> (Vec<Probe>, Vec<Probe>) {
    let (mut differentiated, mut measured) = (Vec::new(), Vec::new());
    for probe in probes {
        if probe.is_differentiated() {
            let (first, second) = halves(&probe.contrasts);
            differentiated.push(Probe { contrasts: first, ..probe });
            measured.push(Probe { contrasts: second, ..probe });
        } else {
            let contrasts = mixed(&probe.contrasts).into_iter().cloned().collect();
            measured.push(Probe { contrasts, ..probe });
        }
    }
    (differentiated, measured)
}

/// Contrasts in an order by their ids that mixes what stands together in a file.
fn mixed(contrasts: &[Contrast]) -> Vec<&Contrast> {
    let mut mixed: Vec<&Contrast> = contrasts.iter().collect();
    mixed.sort_by_key(|contrast| (hash([contrast.id.as_str()]), contrast.id.clone()));
    mixed
}

/// Contrasts to differentiate and contrasts to measure: they take turns, so that both uses have some where there are two.
fn halves(contrasts: &[Contrast]) -> (Vec<Contrast>, Vec<Contrast>) {
    let mixed = mixed(contrasts);
    let every_second = |first: usize| mixed.iter().skip(first).step_by(2).map(|&contrast| contrast.clone()).collect();
    (every_second(0), every_second(1))
}
