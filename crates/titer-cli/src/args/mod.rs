//! What the command line accepts: types, and what they mean to the lab.

mod bounds;
mod command_line;
mod data;
mod forecasts;
mod organism;
mod pressure;
mod prompts;
mod runs;
mod slurm;
mod template;
mod verdicts;

pub use command_line::{Args, Command, CompletionsArgs};
pub use data::{AuditArgs, CheckArgs, DoctorArgs, ScoreArgs};
pub use forecasts::{ForecastArgs, PlanArgs};
pub use organism::{CardArgs, OrganismCommand, TrainArgs};
pub use pressure::{Precondition, PressureArgs};
pub use prompts::{LeakArgs, PromptAim, PromptPlace, SamplingArgs, ScreenArgs, SubjectArgs, ValidateArgs};
pub use runs::{ExecArgs, Place, ReportArgs, ResultsArgs, RunArgs, StatusArgs, VerifyArgs};
