//! Forecasts and plans.

use std::path::PathBuf;

use super::{
    bounds::{SeedList, at_most, items},
    compute::ComputeArgs,
    view::ViewArgs,
};

#[derive(Debug, clap::Args)]
pub(crate) struct ForecastArgs {
    /// The spec; without one, the quick start
    pub spec: Option<PathBuf>,
    /// The model in place of the spec's
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<String>,
    #[command(flatten)]
    pub compute: ComputeArgs,
    /// A folder of kernels, one a seed: used where they are there, measured into it where not
    #[arg(long, value_name = "DIR")]
    pub kernel: Option<PathBuf>,
    /// Seeds to use in place of the spec's, such as 0-4 or 0,1,7
    #[arg(short, long, value_name = "SEEDS")]
    pub seeds: Option<SeedList>,
    /// Hold forecasts against the finished runs in this sweep's folder, beside baselines
    #[arg(long, value_name = "DIR")]
    pub against: Option<PathBuf>,
    /// Set intervals by the finished runs of a spec (which may be this one) in a sweep's folder: how far forecasts of the same
    /// model and rows were off there; may be given again
    #[arg(long, num_args = 2, value_names = ["SPEC", "DIR"], action = clap::ArgAction::Append)]
    pub calibrate: Vec<PathBuf>,
    /// Improve every seed's kernel by this many pilot trainings (half an arm each), and say what each bought
    #[arg(long, default_value_t = 0, value_name = "PILOTS", value_parser = at_most::<1000>)]
    pub refresh: usize,
    /// Rows of each kind of prompt that a kernel is measured on
    #[arg(long, default_value_t = 256, value_parser = items)]
    pub items: usize,
    /// Contrasts of each probe whose gradient is taken
    #[arg(long, default_value_t = 128, value_parser = items)]
    pub contrasts: usize,
    /// Write an interactive page: every seed's kernel with dials; with --against, measured points
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub html: Option<PathBuf>,
    /// Write what is foreseen, with the dials, for a report: as forecast.json in a sweep's folder, or SPEC.forecast.json
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub view: ViewArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PlanArgs {
    /// A spec without a mix, with [rows] (what there is) and [limits] (what must hold)
    pub limits: PathBuf,
    /// The spec to write; its forecast goes beside it
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
    /// The model in place of the spec's
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<String>,
    #[command(flatten)]
    pub compute: ComputeArgs,
    /// A folder of kernels, one a seed: used where they are there, measured into it where not
    #[arg(long, value_name = "DIR")]
    pub kernel: Option<PathBuf>,
    /// Mixes to foresee
    #[arg(long, default_value_t = 4000, value_parser = items)]
    pub mixes: usize,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub view: ViewArgs,
}
