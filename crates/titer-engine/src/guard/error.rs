//! Why guards cannot work.

use titer_data::tokenize::TokenizeError;

use super::{Contradiction, ControlError};
use crate::rows::RowsError;

/// Why guards cannot work.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// Control probes are missing.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// Anchors cannot be encoded.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// Two targets cannot be met together.
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
}

impl From<TokenizeError> for GuardError {
    fn from(error: TokenizeError) -> Self {
        Self::Control(error.into())
    }
}
