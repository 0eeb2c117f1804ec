//! A spec as written: TOML, strict, every error with its line.
//!
//! Parsing has no effects. [`Spec::parse`] reads what is there; [`crate::plan`] resolves it into arms and runs.

mod error;
mod fields;
mod guards;
mod mix;
mod read;
mod suggest;
mod when;

pub use error::SpecError;
pub use fields::{
    ClaimFields, DataFields, Decay, ModelFields, OptimiserFields, OptimiserKind, ProbeFields, ScheduleFields,
    StageFields,
};
pub use guards::{AnchorField, ControlField, GuardsField, RangeField, TargetField};
pub use mix::MixField;
pub use read::{Axis, DEFAULTS, GUARDS, Spec};
pub(crate) use suggest::{nearest, plain, suggestion};
pub use when::When;
