//! Training: one run through its stages, measured along the way.

mod drawn_file;
mod elsewhere;
mod error;
mod helper;
mod runner;
mod served;
mod stage;
mod standing;
mod tables;

pub use elsewhere::{BroughtBack, ElsewhereRunner};
pub use error::TrainError;
use helper::Helper;
pub use runner::EngineRunner;
pub use served::ServedMoment;
use stage::StageTraining;
