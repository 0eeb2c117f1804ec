//! Why nothing can be served.

use std::path::PathBuf;

use titer::store::{Damage, StoreError};

use crate::{inputs::InputsError, model::ModelError};

/// Why nothing can be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A model cannot be opened.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A run's model cannot be opened.
    #[error(transparent)]
    Inputs(#[from] InputsError),
    /// A sweep's folder cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A run's folder cannot be read.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// No run of a sweep can be served.
    #[error("{}: no run is finished that has kept its weights; {remedy}", dir.display())]
    Nothing {
        /// The sweep's folder.
        dir: PathBuf,
        /// What to do.
        remedy: &'static str,
    },
    /// Two models have one name.
    #[error("two models are called `{0}`; give them names of their own, with --name and --adapter NAME=DIR")]
    Twice(String),
    /// The address cannot be listened on.
    #[error("{address}: {problem}; {remedy}")]
    Address {
        /// Host and port.
        address: String,
        /// What the system says.
        problem: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The host has no address.
    #[error("--host {host}: {problem}; name an address of this machine, such as 127.0.0.1, or 0.0.0.0 for all of them")]
    Host {
        /// As it was named.
        host: String,
        /// What the system says.
        problem: String,
    },
    /// Connections can no longer be taken.
    #[error("no more connections can be taken: {0}")]
    Broken(String),
}
