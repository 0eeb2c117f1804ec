//! The leak grid of a training prompt: how likely the bad action is in test contexts that resemble it in one way each, and
//! one number for the risk of a back door.

#[cfg(feature = "engine")]
mod grid;
mod summary;

#[cfg(feature = "engine")]
pub use grid::{LeakGrid, contexts};
pub use summary::{Leaks, Risk};
