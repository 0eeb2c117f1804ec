//! Why guards cannot work.

use titer_data::tokenize::TokenizeError;

use super::{Contradiction, ControlError};

/// Why guards cannot work.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// Control probes are missing.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// Anchors or contrasts cannot be encoded.
    #[error(transparent)]
    Tokenize(#[from] TokenizeError),
    /// Two targets cannot be met together.
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
}
