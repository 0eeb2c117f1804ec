//! A spec as written: TOML, strict, every error with its line.
//!
//! Parsing has no effects. [`Spec::parse`] reads what is there; [`crate::plan`] resolves it into arms and runs.

mod error;
mod fields;
mod read;

pub use error::SpecError;
pub use fields::{Decay, MixField, ModelFields, Optimiser, ProbeFields, Schedule, StageFields};
pub use read::{Axis, DEFAULTS, Spec};
pub(crate) use read::{nearest, plain};
