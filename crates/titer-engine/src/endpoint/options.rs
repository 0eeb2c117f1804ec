//! Where a model is served, and how it is asked.

use std::{fmt, path::PathBuf, sync::Arc};

/// Who is told what is waited for, from any thread.
pub type Waiting = Arc<dyn Fn(&str) + Send + Sync>;

/// Where a model is served, and how it is asked.
#[derive(Clone)]
pub struct EndpointOptions {
    /// The server's address.
    pub url: String,
    /// What the server calls the model.
    pub served: String,
    /// The key to the server.
    pub key: Option<String>,
    /// Requests under way at once.
    pub at_once: usize,
    /// How often a busy server is asked.
    pub tries: usize,
    /// The folder in which answers are kept.
    pub cache: PathBuf,
    /// Is told, in a sentence, what is waited for where that takes long.
    pub waiting: Waiting,
    /// Whether nothing is to be sent, and it is only counted what would be.
    pub dry_run: bool,
}

impl fmt::Debug for EndpointOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.served, self.url)
    }
}
