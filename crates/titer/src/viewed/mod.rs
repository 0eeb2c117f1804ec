//! Finished runs for other people's viewers: logs that Inspect reads, and event files that TensorBoard reads.
//!
//! Both are a function of a run's files alone, so that the same run gives the same bytes.

mod inspect;
mod run;
mod tensorboard;
mod viewer;

pub use inspect::{ProbedChat, inspect_logs};
pub use run::{ViewedError, ViewedRun};
pub use tensorboard::event_file;
pub use viewer::Viewer;
