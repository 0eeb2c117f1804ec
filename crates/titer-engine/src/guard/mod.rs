//! Guards: measures that protect components while a stage trains.
//!
//! A guard acts at one place of a training step: on the weights of its rows (`reweight`), on the gradient before the
//! optimiser (`kl`, `dual`, `project`), or on the step after it (`steer`). Anchors and rewritten prompts act on
//! the rows before there is a step ([`rows`]). Guards that have targets look at [`Control`] probes, whose contexts never
//! judge, and follow a [`TargetPath`] to them.

mod bounds;
mod control;
mod courses;
mod dual;
mod error;
mod hooks;
mod kl;
mod project;
mod reweight;
pub mod rows;
mod stage_guards;
mod steer;
mod target_path;

pub use bounds::Contradiction;
pub(crate) use bounds::within_bounds;
pub use control::{Control, ControlError};
pub use courses::Courses;
pub use error::GuardError;
pub use hooks::{Guard, StepPosition};
pub use stage_guards::Guards;
pub use target_path::TargetPath;
