//! Measuring pressures.

use std::path::PathBuf;

use titer_engine::model::Dtype;

use super::{
    bounds::{at_most, items},
    compute::ComputeArgs,
    template::TemplateArgs,
    view::ViewArgs,
};

#[derive(Debug, clap::Args)]
pub(crate) struct PressureArgs {
    /// The model: the word organism, a folder in Hugging Face layout, or a hub id
    #[arg(short, long, default_value = "organism", value_name = "MODEL")]
    pub model: String,
    /// Which shipped organism, and which contrasts and rows
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub template: TemplateArgs,
    /// Chat rows to measure, or a spec, for the rows and contrasts of its [data] [default: rows of every cell of the world]
    #[arg(long, value_name = "FILE")]
    pub rows: Option<PathBuf>,
    /// Contrasts to differentiate (.jsonl: component, messages, plus, minus) [default: those of the world, or of rows that have cells]
    #[arg(long, value_name = "FILE")]
    pub probes: Option<PathBuf>,
    /// Rows per cell, the first ones [default: 128, or all rows of a file of chats]
    #[arg(long, value_parser = items)]
    pub items: Option<usize>,
    /// Contrasts per gradient probe
    #[arg(long, default_value_t = 128, value_parser = items)]
    pub contrasts: usize,
    /// The optimiser whose step is meant; adam needs a checkpoint, which holds its state
    #[arg(long, value_enum, default_value_t = Precondition::None)]
    pub precondition: Precondition,
    /// Learning rate [default: 1, so that pressures are per unit of it; 0.03, or 1e-4 under adam, with --verify]
    #[arg(long)]
    pub lr: Option<f64>,
    /// Give the model fresh adapters of this rank on every linear layer, and only them gradients
    #[arg(long, value_name = "RANK", conflicts_with = "adapter", value_parser = at_most::<65_536>)]
    pub lora: Option<usize>,
    /// Give it these adapters (a folder in PEFT's layout), and only them gradients
    #[arg(long, value_name = "DIR")]
    pub adapter: Option<PathBuf>,
    /// Round weights to f32, bf16 or f16 [default: what they are in their file]
    #[arg(long, value_name = "TYPE")]
    pub dtype: Option<Dtype>,
    #[command(flatten)]
    pub compute: ComputeArgs,
    /// One line a target token in the table of --out
    #[arg(long, conflicts_with = "verify")]
    pub per_token: bool,
    /// Hold pressures against one real step on each row
    #[arg(long)]
    pub verify: bool,
    /// What a row's nats count for in the loss of such a step: 1 / (rows in a batch · divisor)
    #[arg(long, default_value_t = 1.0 / 128.0, requires = "verify", hide_default_value = true)]
    pub weight: f64,
    /// Multiples of the learning rate to step with
    #[arg(long, value_delimiter = ',', default_values_t = [0.1, 1.0, 3.0], requires = "verify", value_name = "M,…")]
    pub multiples: Vec<f64>,
    /// Also measure the kernel that `titer forecast --kernel DIR` and `titer plan --kernel DIR` read: --items rows of each
    /// kind of prompt held against each other too, by groups of weights for Adam
    #[arg(long, value_name = "DIR", conflicts_with_all = ["adapter", "verify"])]
    pub kernel: Option<PathBuf>,
    /// Write a table (.parquet, .csv or .json) with a line a row, or a line a step with --verify
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write what is printed as a page too, with every column and line
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub html: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub view: ViewArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Precondition {
    /// Plain gradient descent
    None,
    /// Adam as it stands in the checkpoint
    Adam,
}

impl PressureArgs {
    /// Rows per cell, where nothing else says how many.
    pub(crate) fn items(&self) -> usize {
        self.items.unwrap_or(128)
    }
}
