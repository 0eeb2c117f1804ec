//! What the command line accepts: a command, and what each takes.

use clap::{Parser, Subcommand};

use super::{
    compute::DevicesArgs,
    data::{AuditArgs, CheckArgs, DoctorArgs, InitArgs, ScoreArgs},
    elsewhere::{ExportArgs, ImportArgs},
    forecasts::{ForecastArgs, PlanArgs},
    judge::JudgeArgs,
    organism::OrganismCommand,
    pressure::PressureArgs,
    prompts::{LeakArgs, ScreenArgs, ValidateArgs},
    runs::{CompareArgs, ExecArgs, ListArgs, ReportArgs, ResultsArgs, RunArgs, StatusArgs, VerifyArgs},
};

/// What a fine-tune teaches besides the task: measured, predicted, steered.
#[derive(Debug, Parser)]
#[command(name = "titer", version = crate::version::line(), max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Args {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print a commented spec to start from; with --data, one for your chats
    Init(InitArgs),
    /// Check specs (.toml) and files of chats without effects
    Check(CheckArgs),
    /// Compare files of chats and the cells in them: what differs besides what should
    Audit(AuditArgs),
    /// Measure on a model, and on chats, what titer takes for granted: masks, templates, batching, precision
    Doctor(DoctorArgs),
    /// List where titer can compute: the processor, and the devices of the PyTorch that you have
    Devices(DevicesArgs),
    /// Train and measure every arm of a spec; the same command continues where it was stopped
    Run(RunArgs),
    /// Make runs of a submitted sweep, one at a time, beside other slots that do the same
    Exec(ExecArgs),
    /// How far a sweep is: finished, running, waiting, failed and why, and how long there is to go
    Status(StatusArgs),
    /// List the sweeps in a folder, and how far each is
    List(ListArgs),
    /// Hold two sweeps side by side: levels, effects, and their differences with intervals
    Compare(CompareArgs),
    /// Write every arm's rows and a configuration for another trainer
    Export(ExportArgs),
    /// Bring arms that were trained elsewhere back into a sweep: measured by titer's probes, or as outcomes
    Import(ImportArgs),
    /// Measure what each row's gradient does to each component
    Pressure(PressureArgs),
    /// Rank candidate prompts: how much each lifts the bad rows, and what it costs on the good ones
    Screen(ScreenArgs),
    /// Find out whether screening predicts: outcomes of arms trained elsewhere, against what was screened before
    Validate(ValidateArgs),
    /// Score what a model wrote, by rules or by judgements made elsewhere: rates with intervals
    Score(ScoreArgs),
    /// Have a model behind an endpoint judge replies by a rubric: scores between 0 and 100, refusals apart
    Judge(JudgeArgs),
    /// Test a model in contexts that resemble a training prompt: leak by family, and the risk of a back door
    Leak(LeakArgs),
    /// Foresee what the arms of a spec do, without training them
    Forecast(ForecastArgs),
    /// Find a mix that meets limits, and write it as a spec
    Plan(PlanArgs),
    /// Write the report of a sweep's folder
    Report(ReportArgs),
    /// A sweep's results as one table: CSV, or a file that pandas, polars and DuckDB read
    Results(ResultsArgs),
    /// Check that the finished runs in a sweep's folder are as they were written
    Verify(VerifyArgs),
    /// Train and describe organisms: the tiny models that titer ships
    #[command(subcommand)]
    Organism(OrganismCommand),
    /// Print what a shell needs to complete titer's commands and options
    Completions(CompletionsArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}
