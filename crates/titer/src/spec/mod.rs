//! A spec as written: TOML, strict, every error with its line.
//!
//! Parsing has no effects. [`Spec::parse`] reads what is there; [`crate::plan`] resolves it into arms and runs.

mod compute;
mod controls;
mod device;
mod drawn;
mod error;
mod fields;
mod guards;
mod lora;
mod mix;
mod prompts;
mod read;
mod schema;
mod slurm;
mod spelling;
mod suggest;
mod vector;
mod when;

pub use compute::Compute;
pub use controls::ControlKind;
pub use device::DeviceName;
pub use drawn::DrawnField;
pub use error::SpecError;
pub use fields::{
    ClaimFields, HelperField, LeakFields, LrDecay, ModelFields, OptimiserFields, OptimiserKind, ProbeFields,
    ScheduleFields, StageFields,
};
pub use guards::{AnchorField, ControlField, GuardsField, RangeField, TargetField};
pub use lora::Lora;
pub use mix::MixField;
pub use prompts::PromptsField;
pub use read::{Axis, DEFAULTS, GUARDS, Spec, parse_toml};
pub use schema::SCHEMA;
pub use slurm::SlurmFields;
pub(crate) use suggest::{plain, suggestion};
pub use vector::{EveryLayer, Layers, VectorField, VectorKind};
pub use when::When;
