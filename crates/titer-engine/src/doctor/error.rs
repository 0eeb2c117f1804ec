//! Why nothing can be examined.

use crate::model::ModelError;

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// There is nothing to measure on.
    #[error("there are no rows to look at; give chats with at least one")]
    NoRows,
    /// The model cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
}
