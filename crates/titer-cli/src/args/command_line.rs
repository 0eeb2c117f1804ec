//! What the command line accepts: a command, and what each takes.

use std::path::PathBuf;

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
    serve::ServeArgs,
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
    #[command(
        after_help = "Examples:\n  titer init > spec.toml\n  titer init --data rows.jsonl --model Qwen/Qwen2.5-0.5B-Instruct > spec.toml"
    )]
    Init(InitArgs),
    /// Check specs (.toml) and files of chats without effects
    #[command(after_help = "Examples:\n  titer check spec.toml --measure\n  titer check rows.jsonl")]
    Check(CheckArgs),
    /// Compare files of chats and the cells in them: what differs besides what should
    #[command(
        after_help = "Examples:\n  titer audit baseline.jsonl inoculated.jsonl\n  titer audit rows.jsonl --model MODEL"
    )]
    Audit(AuditArgs),
    /// Measure on a model, and on chats, what titer takes for granted: masks, templates, batching, precision
    #[command(after_help = "Examples:\n  titer doctor\n  titer doctor --model Qwen/Qwen2.5-0.5B-Instruct rows.jsonl")]
    Doctor(DoctorArgs),
    /// List where titer can compute: the processor, and the devices of the PyTorch that you have
    #[command(after_help = "Examples:\n  titer devices")]
    Devices(DevicesArgs),
    /// Train and measure every arm of a spec; the same command continues where it was stopped
    #[command(
        after_help = "Examples:\n  titer run\n  titer run spec.toml --quick\n  titer run spec.toml --on slurm --time 02:00:00 --cpus 4"
    )]
    Run(RunArgs),
    /// Make runs of a submitted sweep, one at a time, beside other slots that do the same
    #[command(after_help = "Examples:\n  titer exec runs/q1 --slot 0")]
    Exec(ExecArgs),
    /// How far a sweep is: finished, running, waiting, failed and why, and how long there is to go
    #[command(after_help = "Examples:\n  titer status runs/q1 --watch")]
    Status(StatusArgs),
    /// List the sweeps in a folder, and how far each is
    #[command(after_help = "Examples:\n  titer list")]
    List(ListArgs),
    /// Hold two sweeps side by side: levels, effects, and their differences with intervals
    #[command(after_help = "Examples:\n  titer compare runs/q2 runs/q2-world-1")]
    Compare(CompareArgs),
    /// Write every arm's rows and a configuration for another trainer, or finished runs for Inspect and TensorBoard
    #[command(
        after_help = "Examples:\n  titer export spec.toml --for trl --out export\n  titer export runs/q1 --for inspect --out logs"
    )]
    Export(ExportArgs),
    /// Bring arms that were trained elsewhere back into a sweep: measured by titer's probes, or as outcomes
    #[command(after_help = "Examples:\n  titer import export --out runs/elsewhere")]
    Import(ImportArgs),
    /// Serve a model, or the runs of a sweep, as an endpoint that speaks OpenAI's interface
    #[command(
        after_help = "Examples:\n  titer serve runs/q1\n  titer serve MODEL --adapter tuned=runs/q1/1f2e/checkpoint-300"
    )]
    Serve(ServeArgs),
    /// Measure what each row's gradient does to each component
    #[command(
        after_help = "Examples:\n  titer pressure\n  titer pressure --model MODEL --lora 16 --rows rows.jsonl --probes contrasts.jsonl --out pressures.parquet"
    )]
    Pressure(PressureArgs),
    /// Rank candidate prompts: how much each lifts the bad rows, and what it costs on the good ones
    #[command(
        after_help = "Examples:\n  titer screen --narrow\n  titer screen --model MODEL --rows rows.jsonl --prompts prompts.txt --out screen.parquet"
    )]
    Screen(ScreenArgs),
    /// Find out whether screening predicts: outcomes of arms trained elsewhere, against what was screened before
    #[command(after_help = "Examples:\n  titer validate arms.csv --screening screen.parquet")]
    Validate(ValidateArgs),
    /// Score what a model wrote, by rules or by judgements made elsewhere: rates with intervals
    #[command(after_help = "Examples:\n  titer score replies.jsonl --rule json --by eval_type")]
    Score(ScoreArgs),
    /// Have a model behind an endpoint judge replies by a rubric: scores between 0 and 100, refusals apart
    #[command(
        after_help = "Examples:\n  titer judge replies.jsonl --rubric rubric.txt --endpoint http://localhost:8000 --served MODEL --out scores.jsonl"
    )]
    Judge(JudgeArgs),
    /// Test a model in contexts that resemble a training prompt: leak by family, and the risk of a back door
    #[command(after_help = "Examples:\n  titer leak --prompt 'be evil in everything .'")]
    Leak(LeakArgs),
    /// Foresee what the arms of a spec do, without training them
    #[command(after_help = "Examples:\n  titer forecast spec.toml --kernel kernels --html forecast.html")]
    Forecast(ForecastArgs),
    /// Find a mix that meets limits, and write it as a spec
    #[command(after_help = "Examples:\n  titer plan limits.toml --kernel kernels --out planned.toml")]
    Plan(PlanArgs),
    /// Write the report of a sweep's folder
    #[command(after_help = "Examples:\n  titer report runs/q1")]
    Report(ReportArgs),
    /// A sweep's results as one table: CSV, or a file that pandas, polars and DuckDB read
    #[command(after_help = "Examples:\n  titer results runs/q1 --effects --out effects.csv")]
    Results(ResultsArgs),
    /// Check that the finished runs in a sweep's folder are as they were written
    #[command(after_help = "Examples:\n  titer verify runs/q1")]
    Verify(VerifyArgs),
    /// Train and describe organisms: the tiny models that titer ships
    #[command(subcommand)]
    Organism(OrganismCommand),
    /// Print what a shell needs to complete titer's commands and options
    #[command(after_help = "Examples:\n  titer completions bash > ~/.local/share/bash-completion/completions/titer")]
    Completions(CompletionsArgs),
    /// Write a manual page for every command, for `man titer-run`
    #[command(after_help = "Examples:\n  titer man --out ~/.local/share/man/man1")]
    Man(ManArgs),
    /// Print the JSON schema of specs, by which editors complete keys and mark wrong values
    #[command(after_help = "Examples:\n  titer schema > titer.schema.json")]
    Schema,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ManArgs {
    /// The folder that the pages go into
    #[arg(long, short)]
    pub out: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}
