//! Forecasts: what a mix does to a model, without training it.
//!
//! A [`Kernel`] is measured once on a model; a plan's stages become [`batches`]; [`motion`] moves the margins through them as
//! the optimiser would, with the base model's directions; [`predict`] adds intervals and says where it does not know;
//! [`onset`] is the dose at which inoculation breaks, [`rest`] where training for ever would end, [`compare`] holds
//! forecasts against runs. [`page`] puts it all on an interactive page. The [`toy`] is the idea in one picture, and the
//! integrator's oracle.

mod against_runs;
pub mod baselines;
mod batches;
mod blend;
mod calibration;
mod comparison;
mod course;
mod kernel;
mod kernel_file;
mod known;
mod late_gates;
mod motion;
mod onset;
mod page;
mod predict;
mod rest;
mod runs;
mod saved;
mod score;
pub mod toy;
mod value;

pub use against_runs::compare;
pub use batches::{ForecastError, Placement, kinds, stage_batches, trained};
pub use calibration::{Calibration, CourseTrust, MarginError};
pub use comparison::Comparison;
pub use course::Course;
pub use kernel::{About, Gate, Kernel, KernelProducts, Kind, Moments, ProbeOutput};
pub use kernel_file::{KernelError, kernel_path, read_kernel, write_kernel};
pub use late_gates::LateGates;
pub use motion::{Counts, LANES, Motion, Moved, StageBatches, Trajectory};
pub use onset::{MeasuredOnset, Onset, OnsetDose, measured_onsets, onset, onsets};
pub(crate) use page::SECTIONS;
pub use page::{Dialled, Dials, page};
pub use predict::{Forecast, LEFT_OPEN, Point, forecast, last};
pub use rest::rest;
pub use runs::{ArmForecast, RunForecast, forecast_runs, kernels};
pub use saved::{ForecastFileError, SavedForecast};
pub use score::{Score, scores};
pub use value::ForecastValue;
