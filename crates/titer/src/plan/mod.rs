//! From the spec as written to the plan as resolved: arms, controls and runs. Nothing here has effects.
//!
//! `axes` are checked and multiplied; each combination resolves into `stage`s and is an arm with a `name`; `control`
//! gives every arm its control; `sweep` puts them together, and each arm and seed is a `run`. Runs may have a `beginning` in common.

mod arm;
mod axes;
mod axis;
mod beginning;
mod cells;
mod control;
mod drawn;
mod given;
mod guard;
mod name;
mod optimiser;
mod run;
mod schedule;
mod setting;
mod stage;
mod sweep;
mod vector;

pub use arm::Arm;
pub use beginning::own_stages;
pub use drawn::DrawnPlan;
pub use given::GivenFile;
pub use guard::{AnchorPlan, ControlPlan, DualPlan, GuardsPlan, KlPlan, ReweightPlan, Rewrite, SteerPlan, Target};
pub(crate) use name::same_arm;
pub use name::{axis_labels, show};
pub use optimiser::OptimiserPlan;
pub(crate) use run::NUMERICS;
pub use run::{DataPlan, ModelPlan, ProbePlan, RunId, RunPlan};
pub use schedule::LrSchedule;
pub use setting::Setting;
pub use stage::{HelperPlan, HelperSource, StagePlan};
pub use sweep::SweepPlan;
pub use vector::{VectorPlan, VectorUse};

pub use crate::spec::{ControlKind, EveryLayer, Layers, LeakFields as LeakPlan, LrDecay};
