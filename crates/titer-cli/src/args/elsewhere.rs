//! Commands over arms that are trained elsewhere, and runs that are looked at elsewhere.

use std::{num::NonZero, path::PathBuf, str::FromStr};

use titer::{elsewhere::Trainer, viewed::Viewer};

use super::{
    bounds::{SeedList, threads},
    compute::ComputeArgs,
    endpoint::EndpointArgs,
};

/// Who is written for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ExportFor {
    /// Who trains the arms of a spec.
    Trainer(Trainer),
    /// Who shows the finished runs of a sweep.
    Viewer(Viewer),
}

impl FromStr for ExportFor {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let viewer = || word.parse().map(Self::Viewer);
        let known = Trainer::ALL.map(Trainer::word).into_iter().chain(Viewer::ALL.map(Viewer::word));
        let known = known.collect::<Vec<_>>().join(", ");
        word.parse()
            .map(Self::Trainer)
            .or_else(|_: String| viewer())
            .map_err(|_: String| format!("titer writes for {known}"))
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// The spec; for inspect and tensorboard, the folder of a sweep
    pub spec: PathBuf,
    /// Who is to train: trl, axolotl, llama-factory, or openai (a service that takes its format); or who is to show finished runs:
    /// inspect, tensorboard
    #[arg(long = "for", value_name = "PROGRAM")]
    pub program: ExportFor,
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
    /// The model or the adapters of a run, ARM/SEED=FOLDER; with --endpoint, what the server calls them, ARM/SEED=NAME; may be repeated
    /// [default: every run that is where its configuration puts it]
    #[arg(long = "run", value_name = "RUN=FOLDER")]
    pub runs: Vec<String>,
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    /// Outcomes of runs without weights (.csv, .jsonl or .parquet), one a line: arm, seed, component, rate, and where known prompts,
    /// domains, item, moment, margin, gap, other, replies
    #[arg(long, value_name = "TABLE", conflicts_with_all = ["runs", "endpoint"])]
    pub outcomes: Option<PathBuf>,
    /// Threads [default: all cores, or those of the job that this is part of]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<NonZero<usize>>,
    /// Print JSON instead of the report's path
    #[arg(long)]
    pub json: bool,
}
