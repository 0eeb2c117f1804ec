//! Replies that are drawn.

use std::path::PathBuf;

use titer_engine::sampled::Draw;

use super::bounds::{at_most, items};

/// How replies are drawn.
#[derive(Debug, clap::Args)]
pub(crate) struct DrawArgs {
    /// Draw so many replies in every context, and score those
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, value_parser = at_most::<10_000>)]
    pub sample: usize,
    /// Tokens of a drawn reply at most
    #[arg(long, value_name = "TOKENS", default_value_t = 64, requires = "sample", value_parser = items)]
    pub limit: usize,
    /// The temperature that replies are drawn at; 0 takes the likeliest
    #[arg(long, value_name = "T", default_value_t = 1.0, requires = "sample", value_parser = temperature, allow_negative_numbers = true)]
    pub temperature: f64,
    /// Write drawn replies as chat rows (.jsonl); the same seed draws the same ones again
    #[arg(long, value_name = "FILE", requires = "sample")]
    pub replies: Option<PathBuf>,
}

impl DrawArgs {
    /// The same to the lab.
    pub(crate) fn of(&self, seed: u64) -> Draw {
        Draw { count: self.sample, limit: self.limit, temperature: self.temperature, seed }
    }
}

/// A temperature.
fn temperature(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    if (0.0..=100.0).contains(&number) { Ok(number) } else { Err("use a number from 0 to 100".to_owned()) }
}
