//! Commands over sweeps.

use std::{num::NonZero, path::PathBuf};

use clap::ValueEnum;

use super::{
    bounds::{SeedList, threads},
    compute::ComputeArgs,
    slurm::SlurmArgs,
    view::ViewArgs,
};

/// Where runs are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Place {
    /// By this process
    Here,
    /// By slots of a Slurm cluster, submitted as job arrays
    Slurm,
    /// By `titer exec`, which you start by other means
    Slots,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// The spec; without one, the quick start
    pub spec: Option<PathBuf>,
    /// The sweep's folder [default: runs/<name of the spec>, with -quick behind it for a quick cut]
    #[arg(short, long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// A quick cut of the spec: at most 2 seeds and 16 contrasts a probe
    #[arg(short, long)]
    pub quick: bool,
    /// Seeds to use in place of the spec's, such as 0-4 or 0,1,7
    #[arg(short, long, value_name = "SEEDS")]
    pub seeds: Option<SeedList>,
    /// The model to use in place of the spec's, such as 'organisms/wide/seed-{seed}': the same experiment once more
    #[arg(short, long, value_name = "MODEL", requires = "out")]
    pub model: Option<String>,
    #[command(flatten)]
    pub compute: ComputeArgs,
    /// Make finished runs again whose files are damaged
    #[arg(long)]
    pub repair: bool,
    /// Threads [default: all cores, or those of the job that this is part of]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<NonZero<usize>>,
    /// Where runs are made: here, by slots of a Slurm cluster (slurm), or by slots that you start with `titer exec` (slots)
    #[arg(long, value_name = "PLACE", value_enum, default_value_t = Place::Here, hide_possible_values = true)]
    pub on: Place,
    /// Print JSON instead of the report's path
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub slurm: SlurmArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExecArgs {
    /// The sweep's folder
    pub dir: PathBuf,
    /// Which slot this is; slots begin at different runs
    #[arg(long, value_name = "K")]
    pub slot: usize,
    /// Whose runs to make [default: the latest submission's]
    #[arg(long, value_name = "N")]
    pub submission: Option<usize>,
    /// Threads [default: those of the job, else all cores]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<NonZero<usize>>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    /// The sweep's folder
    pub dir: PathBuf,
    /// Look again every few seconds, until nothing runs or waits
    #[arg(long)]
    pub watch: bool,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=86_400), requires = "watch")]
    pub every: u64,
    /// Print JSON, one object a look
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReportArgs {
    /// The sweep's folder
    pub dir: PathBuf,
    /// Where to write it [default: report.html in the folder]
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ResultsArgs {
    /// The sweep's folder
    pub dir: PathBuf,
    /// A line for each arm, moment and probe: its difference from the control, paired by seed, with 95 % intervals; without it, a
    /// line for each run, moment and probe
    #[arg(long)]
    pub effects: bool,
    /// The file to write; its ending says how: .parquet, .csv or .json [default: CSV on stdout]
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// The folder that holds sweeps
    #[arg(default_value = "runs")]
    pub dir: PathBuf,
    /// Print JSON, one object a sweep
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub view: ViewArgs,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ComparedMeasure {
    /// Exact probabilities
    Rate,
    /// Nats a reply
    Margin,
    /// How far the bad prompt moves the model, nats a reply
    Gap,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CompareArgs {
    /// A sweep's folder
    pub a: PathBuf,
    /// Another one's, with arms of the same settings
    pub b: PathBuf,
    /// What to compare [default: rates, or margins where nearly all rates are next to 0]
    #[arg(long, value_enum, value_name = "QUANTITY")]
    pub quantity: Option<ComparedMeasure>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub view: ViewArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// The sweep's folder
    pub dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
