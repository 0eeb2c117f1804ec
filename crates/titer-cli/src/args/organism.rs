//! Commands over organisms.

use std::path::PathBuf;

use clap::Subcommand;

use super::bounds::{at_most, items};

#[derive(Debug, Subcommand)]
pub(crate) enum OrganismCommand {
    /// Train an organism from scratch into a folder in Hugging Face layout
    #[command(after_help = "Examples:\n  titer organism train --seed 0 --out organisms/seed-0")]
    Train(TrainArgs),
    /// Print the card of one or more organisms as Markdown
    #[command(after_help = "Examples:\n  titer organism card organisms/seed-0")]
    Card(CardArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct TrainArgs {
    /// Seed of the weights and the training rows
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Seed of the world's lookup tables
    #[arg(long, default_value_t = 0)]
    pub world_seed: u64,
    /// Width of the residual stream, a multiple of 16
    #[arg(long, default_value_t = 64, value_parser = at_most::<4096>)]
    pub width: usize,
    /// Blocks
    #[arg(long, default_value_t = 2, value_parser = at_most::<256>)]
    pub layers: usize,
    /// Training steps
    #[arg(long, default_value_t = 4000, value_parser = at_most::<100_000_000>)]
    pub steps: usize,
    /// Rows per step
    #[arg(long, default_value_t = 64, value_parser = items)]
    pub batch: usize,
    /// Highest learning rate
    #[arg(long, default_value_t = 2e-3)]
    pub lr: f64,
    /// The folder to write; it must not exist
    #[arg(short, long, value_name = "DIR")]
    pub out: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CardArgs {
    /// Folders that `titer organism train` wrote
    #[arg(required = true)]
    pub dirs: Vec<PathBuf>,
}
