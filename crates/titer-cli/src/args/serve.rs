//! Serving models of titer's.

use std::path::PathBuf;

use super::{bounds::at_most, compute::ComputeArgs, template::TemplateArgs};

#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// A model (organism, a folder, a hub id), the folder of a run, or that of a sweep, whose finished runs are served as ARM/SEED
    #[arg(value_name = "MODEL|RUN")]
    pub model: String,
    /// Adapters on the model, under a name of their own; may be repeated
    #[arg(long, value_name = "NAME=DIR", value_parser = adapter)]
    pub adapter: Vec<(String, PathBuf)>,
    /// What requests call the model [default: MODEL as it is written]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Which of the shipped organisms
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Where to listen; 0.0.0.0 is every address of this machine, and there is no key to keep others out
    #[arg(long, default_value = "127.0.0.1")]
    pub host: String,
    /// The port; 0 takes one that is free, and stdout says which
    #[arg(long, default_value_t = 8000)]
    pub port: u16,
    /// Requests that are answered at once; those that wait for one model are computed together
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_most::<1024>)]
    pub at_once: usize,
    #[command(flatten)]
    pub compute: ComputeArgs,
    #[command(flatten)]
    pub template: TemplateArgs,
    /// Print JSON instead of the address
    #[arg(long)]
    pub json: bool,
}

/// NAME=DIR.
fn adapter(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, folder)) if !name.is_empty() && !folder.is_empty() => Ok((name.to_owned(), folder.into())),
        _ => Err("write it as NAME=DIR, such as inoculated=runs/q1/1f2e/checkpoint-300".to_owned()),
    }
}
