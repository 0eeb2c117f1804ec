//! What the command line accepts: types, and what they mean to the lab.

mod bounds;
mod command_line;
mod compute;
mod data;
mod drawing;
mod elsewhere;
mod endpoint;
mod forecasts;
mod judge;
mod listed;
mod organism;
mod pressure;
mod prompts;
mod runs;
mod serve;
mod slurm;
mod template;
mod verdicts;
mod view;

pub(crate) use command_line::{Args, Command, CompletionsArgs, ManArgs};
pub(crate) use compute::{AskedComputation, ComputeArgs, DevicesArgs};
pub(crate) use data::{AuditArgs, CheckArgs, DoctorArgs, InitArgs, ScoreArgs};
pub(crate) use drawing::DrawArgs;
pub(crate) use elsewhere::{ExportArgs, ExportFor, ImportArgs};
pub(crate) use endpoint::EndpointArgs;
pub(crate) use forecasts::{ForecastArgs, PlanArgs};
pub(crate) use judge::JudgeArgs;
pub(crate) use listed::Listed;
pub(crate) use organism::{CardArgs, OrganismCommand, TrainArgs};
pub(crate) use pressure::{Precondition, PressureArgs};
pub(crate) use prompts::{
    LeakArgs, OutcomeName, PromptAim, PromptPlace, SamplingArgs, ScreenArgs, SubjectArgs, ValidateArgs,
};
pub(crate) use runs::{
    CompareArgs, ComparedMeasure, ExecArgs, ListArgs, Place, ReportArgs, ResultsArgs, RunArgs, StatusArgs, VerifyArgs,
};
pub(crate) use serve::ServeArgs;
pub(crate) use view::ViewArgs;
