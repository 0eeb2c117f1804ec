//! Keeps what a command says until it is done.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use titer_cli::{HeardTable, Listener};

/// What has been heard of a command.
#[derive(Default)]
pub struct Heard {
    /// Lines of data.
    pub data: Vec<String>,
    /// Lines of talk.
    pub talk: Vec<String>,
    /// Tables.
    pub tables: Vec<HeardTable>,
    /// How far the work is: steps done, of how many, and of what.
    pub progress: Option<(u64, u64, String)>,
}

/// Hears a command.
pub struct Hearing {
    heard: Mutex<Heard>,
    stopped: AtomicBool,
    specs: BTreeMap<PathBuf, String>,
}

impl Hearing {
    /// Of a command that is given these texts in place of specs.
    pub fn new(specs: BTreeMap<PathBuf, String>) -> Self {
        Self { heard: Mutex::default(), stopped: AtomicBool::new(false), specs }
    }

    /// What has been heard so far.
    pub fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a stop.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

impl Listener for Hearing {
    fn data(&self, line: &str) {
        self.heard().data.push(line.to_owned());
    }

    fn talk(&self, line: &str) {
        self.heard().talk.push(line.to_owned());
    }

    fn table(&self, table: HeardTable) {
        self.heard().tables.push(table);
    }

    fn progress(&self, done: u64, of: u64, message: &str) {
        self.heard().progress = Some((done, of, message.to_owned()));
    }

    fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn spec(&self, path: &Path) -> Option<String> {
        self.specs.get(path).cloned()
    }
}
