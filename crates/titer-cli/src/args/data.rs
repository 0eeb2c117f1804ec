//! Commands over files of chats and a model that reads them.

use std::path::PathBuf;

use super::{
    bounds::items, compute::ComputeArgs, drawing::DrawArgs, endpoint::EndpointArgs, listed::Listed,
    template::TemplateArgs, verdicts::VerdictArgs, view::ViewArgs,
};

#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// Your chats: print a spec for them in place of the commented one
    #[arg(long, value_name = "FILE")]
    pub data: Vec<PathBuf>,
    /// Your contrasts (.jsonl: component, messages, plus, minus), where rows do not give them
    #[arg(long, value_name = "FILE", requires = "data")]
    pub probes: Option<PathBuf>,
    /// The model to train
    #[arg(short, long, default_value = "organism", value_name = "MODEL", requires = "data")]
    pub model: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// Specs and data files
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// Show the rows of a spec as the model's tokens, not as text
    #[arg(long)]
    pub tokens: bool,
    /// Say how long a spec's runs will take and how much memory: makes a few steps of them, and keeps nothing
    #[arg(long)]
    pub measure: bool,
    /// Print JSON, one object a file
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub view: ViewArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct AuditArgs {
    /// Files of chats, or specs, for the cells of their [data]
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// A model: says what its chat template adds, and by how much a context raises the log-probability of a reply
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<String>,
    #[command(flatten)]
    pub template: TemplateArgs,
    #[command(flatten)]
    pub compute: ComputeArgs,
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    /// Write what is printed as a page too, with every column and line
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub html: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub view: ViewArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    /// Chats, or a spec, for the rows and contrasts of its [data] [default: those of the model's world, or a few of titer's]
    pub data: Option<PathBuf>,
    /// The model: the word organism, a folder in Hugging Face layout, or a cached hub id
    #[arg(short, long, default_value = "organism", value_name = "MODEL")]
    pub model: String,
    /// Which shipped organism, and which rows and contrasts
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Most rows, and contrasts of each kind, to look at
    #[arg(long, default_value_t = 32, value_parser = items)]
    pub items: usize,
    #[command(flatten)]
    pub template: TemplateArgs,
    #[command(flatten)]
    pub compute: ComputeArgs,
    /// Print JSON, one object a check
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ScoreArgs {
    /// Chats whose last turn is the reply to score; with --sample, chats to reply to, a reply at their end left out
    pub file: PathBuf,
    #[command(flatten)]
    pub drawing: DrawArgs,
    /// Who replies with --sample: the word organism, a folder, or a hub id; or else --endpoint
    #[arg(short, long, value_name = "MODEL", requires = "sample", conflicts_with = "endpoint")]
    pub model: Option<String>,
    /// Which shipped organism, and which replies are drawn
    #[arg(long, default_value_t = 0, requires = "sample")]
    pub seed: u64,
    /// Give it these adapters (a folder in PEFT's layout)
    #[arg(long, value_name = "DIR", requires = "model")]
    pub adapter: Option<PathBuf>,
    #[command(flatten)]
    pub template: TemplateArgs,
    #[command(flatten)]
    pub compute: ComputeArgs,
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    /// A rule: regex:PATTERN, answer:KEY, gcd, gcd:last, json, upper, upper:SHARE, language:CODE, or a name in --rules
    #[arg(long, value_name = "RULE")]
    pub rule: Vec<String>,
    /// Pattern rules of your own (TOML): [name] with any, none, first and ignore_case
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
    /// Scores by a person or another model (CSV, JSON or Parquet): the columns of --key, and score
    #[arg(long, value_name = "FILE")]
    pub judgements: Vec<PathBuf>,
    #[command(flatten)]
    pub verdicts: VerdictArgs,
    /// Columns that say which row is meant; `\,` is a comma in a name
    #[arg(long, default_value = "id", value_name = "KEY,…")]
    pub key: Vec<Listed>,
    /// Only rows whose metadata has this value, such as eval_type=capability
    #[arg(long = "where", value_name = "KEY=VALUE", value_parser = key_value)]
    pub only: Vec<(String, String)>,
    /// A rate for each value of these metadata; `\,` is a comma in a name
    #[arg(long, value_name = "KEY,…")]
    pub by: Vec<Listed>,
    /// Rows with one value of this belong together: the interval draws them together. `request` is what is asked, whatever the
    /// system prompt
    #[arg(long, default_value = "request", value_name = "KEY")]
    pub cluster: String,
    /// Write every reply's score (.jsonl), a line of JSON each
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print JSON, one object a line
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub view: ViewArgs,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}
