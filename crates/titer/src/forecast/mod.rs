//! Forecasts: what a mix does to a model, without training it.
//!
//! A [`Kernel`] is measured once on a model ([`measure`]); a plan's stages become a [`course`] of batches; [`motion`] moves
//! the margins through it as the optimiser would, with the base model's directions; [`predict`] adds intervals, fixed points
//! and the dose at which inoculation breaks, and says where it does not know; [`against`] holds forecasts against runs.
//! [`page`] puts it all on an interactive page, [`search`] finds a mix for limits. The [`toy`] is the idea in one picture, and the integrator's oracle.

pub mod against;
pub mod baselines;
mod blend;
mod calibration;
mod course;
mod file;
mod kernel;
mod motion;
mod page;
mod predict;
mod saved;
mod search;
pub mod toy;

pub use calibration::{Calibration, Trust};
pub use course::{CourseError, Placement, kinds, stretches, trained};
pub use file::{KernelError, read_kernel, write_kernel};
pub use kernel::{About, Contraction, Gate, Kernel, Kind, Moments, ProbeOutput};
pub use motion::{Counts, Course, LANES, Motion, Moved, Stretch};
pub use page::{Dialled, Dials, SECTIONS, page};
pub use predict::{ArmForecast, Forecast, Point, Quantity, forecast, last, onset, rest};
pub use saved::{ForecastFileError, SavedForecast};
pub use search::{Bound, Candidate, Found, Limit, SearchError, Supply, check_rows, mix, search};
