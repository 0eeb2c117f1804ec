//! Commands over arms that are trained elsewhere.

use std::{num::NonZero, path::PathBuf};

use titer::elsewhere::Trainer;

use super::{
    bounds::{SeedList, threads},
    compute::ComputeArgs,
};

#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// The spec
    pub spec: PathBuf,
    /// Who is to train: trl, axolotl, llama-factory, or openai (a service that takes its format)
    #[arg(long = "for", value_name = "TRAINER")]
    pub trainer: Trainer,
    /// The folder to write, which must not be there yet
    #[arg(short, long, value_name = "DIR")]
    pub out: PathBuf,
    /// A quick cut of the spec: at most 2 seeds and 16 contrasts a probe
    #[arg(short, long)]
    pub quick: bool,
    /// Seeds to use in place of the spec's, such as 0-4 or 0,1,7
    #[arg(short, long, value_name = "SEEDS")]
    pub seeds: Option<SeedList>,
    /// The model to use in place of the spec's
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<String>,
    #[command(flatten)]
    pub compute: ComputeArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// The folder that `titer export` wrote
    pub export: PathBuf,
    /// The sweep's folder, which may hold runs of the same spec already [default: runs/<name of the spec>]
    #[arg(short, long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The model or the adapters of a run, ARM/SEED=FOLDER; may be repeated [default: every run that is where its configuration puts it]
    #[arg(long = "run", value_name = "RUN=FOLDER")]
    pub runs: Vec<String>,
    /// Outcomes of runs without weights (.csv, .jsonl or .parquet), one a line: arm, seed, component, rate, and where known prompts,
    /// domains, item, moment, margin, gap, other, replies
    #[arg(long, value_name = "TABLE", conflicts_with = "runs")]
    pub outcomes: Option<PathBuf>,
    /// Threads [default: all cores, or those of the job that this is part of]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<NonZero<usize>>,
    /// Print JSON instead of the report's path
    #[arg(long)]
    pub json: bool,
}
