//! What the command line accepts. Types only.

use std::{num::NonZero, path::PathBuf};

use clap::{Parser, Subcommand};
use titer_data::{
    score::ScoreScale,
    template::{TemplateDate, TemplateOptions},
    variables::Variables,
};
use titer_engine::model::Dtype;

use crate::bounds::{at_most, items, threads};

/// What a fine-tune teaches besides the task: measured, predicted, steered.
#[derive(Debug, Parser)]
#[command(name = "titer", version = crate::version::line(), max_term_width = 100, disable_help_subcommand = true)]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print a commented spec to start from
    Init,
    /// Check specs (.toml) and files of chats without effects
    Check(CheckArgs),
    /// Compare files of chats and the cells in them: what differs besides what should
    Audit(AuditArgs),
    /// Measure on a model, and on chats, what titer takes for granted: masks, templates, batching, precision
    Doctor(DoctorArgs),
    /// Train and measure every arm of a spec; the same command continues where it was stopped
    Run(RunArgs),
    /// Measure what each row's gradient does to each component
    Pressure(PressureArgs),
    /// Rank candidate prompts: how much each lifts the bad rows, and what it costs on the good ones
    Screen(ScreenArgs),
    /// Find out whether screening predicts: outcomes of arms trained elsewhere, against what was screened before
    Validate(ValidateArgs),
    /// Score what a model wrote, by rules or by judgements made elsewhere: rates with intervals
    Score(ScoreArgs),
    /// Test a model in contexts that resemble a training prompt: leak by family, and the risk of a back door
    Leak(LeakArgs),
    /// Foresee what the arms of a spec do, without training them
    Forecast(ForecastArgs),
    /// Find a mix that meets limits, and write it as a spec
    Plan(PlanArgs),
    /// Write the report of a sweep's folder
    Report(ReportArgs),
    /// A sweep's results as one table: CSV, or a file that pandas, polars and DuckDB read
    Results(ResultsArgs),
    /// Check that the finished runs in a sweep's folder are as they were written
    Verify(VerifyArgs),
    /// Train and describe organisms: the tiny models that titer ships
    #[command(subcommand)]
    Organism(OrganismCommand),
}

#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// Specs and data files
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// Print JSON, one object a file
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
pub struct AuditArgs {
    /// Files of chats, or specs, for the cells of their [data]
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// A model: says what its chat template adds, and by how much a context raises the log-probability of a reply
    #[arg(long, value_name = "MODEL")]
    pub base: Option<String>,
    #[command(flatten)]
    pub template: TemplateArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// The model: the word organism, a folder in Hugging Face layout, or a cached hub id
    pub model: String,
    /// Chats, or a spec, for the rows and contrasts of its [data] [default: those of the model's world, or a few of titer's]
    pub data: Option<PathBuf>,
    /// Which shipped organism, and which rows and contrasts
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Most rows, and contrasts of each kind, to look at
    #[arg(long, default_value_t = 32, value_parser = items)]
    pub items: usize,
    #[command(flatten)]
    pub template: TemplateArgs,
    /// Print JSON, one object a check
    #[arg(long)]
    pub json: bool,
}

/// What chats are rendered with; a spec says the same under [model].
#[derive(Debug, clap::Args)]
pub struct TemplateArgs {
    /// Put system prompts at the start of the first user turn, for chat templates that take none
    #[arg(long)]
    pub system_in_user: bool,
    /// Give the chat template a variable, such as enable_thinking=false: JSON, or else text; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = template_variable)]
    pub template_variable: Vec<(String, serde_json::Value)>,
    /// The day that a chat template which prints the date takes for today [default: 2024-07-26]
    #[arg(long, value_name = "DAY")]
    pub template_date: Option<TemplateDate>,
    /// Where a token is half header and half reply, train and score from the next one on
    #[arg(long)]
    pub skip_split_tokens: bool,
}

impl TemplateArgs {
    /// The same as options of a template.
    pub fn options(&self) -> TemplateOptions {
        TemplateOptions {
            system_in_user: self.system_in_user,
            skip_split_tokens: self.skip_split_tokens,
            date: self.template_date,
            variables: Variables(self.template_variable.iter().cloned().collect()),
        }
    }
}

/// A variable of a chat template as it is written on the command line.
fn template_variable(text: &str) -> Result<(String, serde_json::Value), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE, such as enable_thinking=false")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok((name.to_owned(), value))
}

#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// The spec; without one, the quick start
    pub spec: Option<PathBuf>,
    /// The sweep's folder [default: runs/<name of the spec>, with -quick behind it for a quick cut]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// A quick cut of the spec: at most 2 seeds and 16 contrasts a probe
    #[arg(long)]
    pub quick: bool,
    /// Seeds to use in place of the spec's, such as 0,1,2
    #[arg(long, value_delimiter = ',', value_name = "SEEDS")]
    pub seeds: Option<Vec<u64>>,
    /// The model to use in place of the spec's, such as 'organisms/wide/seed-{seed}': the same experiment once more
    #[arg(long, value_name = "MODEL", requires = "out")]
    pub base: Option<String>,
    /// Make finished runs again whose files are damaged
    #[arg(long)]
    pub repair: bool,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<NonZero<usize>>,
    /// Print JSON instead of the report's path
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
pub struct PressureArgs {
    /// The model: the word organism, a folder in Hugging Face layout, or a hub id
    #[arg(long, default_value = "organism", value_name = "MODEL")]
    pub base: String,
    /// Which shipped organism, and which contrasts and rows
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub template: TemplateArgs,
    /// Chat rows to measure, or a spec, for the rows and contrasts of its [data] [default: rows of every cell of the world]
    #[arg(long, value_name = "FILE")]
    pub rows: Option<PathBuf>,
    /// Contrasts to differentiate (.jsonl: component, messages, plus, minus) [default: those of the world]
    #[arg(long, value_name = "FILE")]
    pub probes: Option<PathBuf>,
    /// Rows per cell
    #[arg(long, default_value_t = 128, value_parser = items)]
    pub items: usize,
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
    /// One line a target token in the table of --out
    #[arg(long, requires = "out", conflicts_with = "verify")]
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
    /// Write a Parquet table with a line a row, or a line a step with --verify
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Precondition {
    /// Plain gradient descent
    None,
    /// Adam as it stands in the checkpoint
    Adam,
}

/// Which model, and which rows.
#[derive(Debug, clap::Args)]
pub struct SubjectArgs {
    /// The model: the word organism, a folder, or a hub id
    #[arg(long, default_value = "organism", value_name = "MODEL")]
    pub base: String,
    /// Which shipped organism, and which rows and contrasts of its world
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub template: TemplateArgs,
    /// Give it these adapters (a folder in PEFT's layout)
    #[arg(long, value_name = "DIR")]
    pub adapter: Option<PathBuf>,
    /// Chat rows (.jsonl), each with a cell whose action is bad or good [default: requests of the world]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["bad", "good"])]
    pub rows: Option<PathBuf>,
    /// Chat rows that show the bad action
    #[arg(long, value_name = "FILE", requires = "good")]
    pub bad: Option<PathBuf>,
    /// Chat rows that show the good action; a request of both files is one pair
    #[arg(long, value_name = "FILE", requires = "bad")]
    pub good: Option<PathBuf>,
    /// Rows of each action at most, the first ones
    #[arg(long, default_value_t = 128, value_parser = items)]
    pub items: usize,
}

#[derive(Debug, clap::Args)]
pub struct ScreenArgs {
    #[command(flatten)]
    pub subjects: SubjectArgs,
    /// Candidate prompts: text with one a line, .toml with [[prompt]] tables, or .jsonl (text, name, trigger) [default:
    /// sentences of the world]
    #[arg(long, value_name = "FILE")]
    pub prompts: Option<PathBuf>,
    /// Where prompts go
    #[arg(long, value_enum, default_value_t = PromptPlace::Both)]
    pub turn: PromptPlace,
    /// Screen the narrow forms of every prompt too: scoped to a trigger, which goes into the bad rows' requests
    #[arg(long)]
    pub narrow: bool,
    /// The trigger of narrow forms [default: a word that no row holds]
    #[arg(long, value_name = "WORD", requires = "narrow")]
    pub trigger: Option<String>,
    /// Contrasts to take pressures against (.jsonl) [default: those of the world; without either, no pressures]
    #[arg(long, value_name = "FILE")]
    pub probes: Option<PathBuf>,
    /// Contrasts per gradient probe; 0 for no pressures
    #[arg(long, default_value_t = 128, value_parser = items)]
    pub contrasts: usize,
    /// What the prompt is for: it decides the order, and which condition a prompt must meet
    #[arg(long = "for", value_enum, default_value_t = PromptAim::Selectivity, value_name = "AIM")]
    pub aim: PromptAim,
    /// How far the two conditions on rates may be missed
    #[arg(long, default_value_t = 0.1, value_name = "RATE")]
    pub tolerance: f64,
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// Write the rows under the prompt to take as chat rows (.jsonl), its trigger in the bad ones; refused where no prompt is fit
    #[arg(long, value_name = "FILE")]
    pub rewrite: Option<PathBuf>,
    /// Write them under the first prompt even if none is fit
    #[arg(long, requires = "rewrite")]
    pub anyway: bool,
    /// Write a Parquet table with a line for each row under each prompt
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
pub struct ValidateArgs {
    /// The arms (.csv, .jsonl or .parquet), one a line: prompt, setting, suppression, kept, and your own predictors in any other columns
    pub table: PathBuf,
    /// What `titer screen --out` wrote of these prompts before training; SETTING=FILE for each setting's own model and rows
    #[arg(long, value_name = "[SETTING=]FILE")]
    pub screening: Vec<String>,
    /// The column of the prompt, called as in the screening
    #[arg(long, default_value = "prompt", value_name = "COLUMN")]
    pub prompt: String,
    /// The column of the setting: a model and its data, within which prompts are compared
    #[arg(long, default_value = "setting", value_name = "COLUMN")]
    pub setting: String,
    /// The column that says how far the unwanted trait was suppressed; more is better
    #[arg(long, default_value = "suppression", value_name = "COLUMN")]
    pub suppression: String,
    /// The column that says how much of the wanted trait was kept; more is better
    #[arg(long, default_value = "kept", value_name = "COLUMN")]
    pub kept: String,
    /// The column of the unwanted trait after training without a prompt, which the k-rule takes
    #[arg(long, default_value = "target", value_name = "COLUMN")]
    pub target: String,
    /// The column that says where the prompt stood: system or user
    #[arg(long, default_value = "turn", value_name = "COLUMN")]
    pub turn: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
pub struct LeakArgs {
    #[command(flatten)]
    pub subjects: SubjectArgs,
    /// The training prompt that test contexts are made from
    #[arg(long, value_name = "TEXT")]
    pub prompt: String,
    /// The word that makes it apply, if it is trigger-scoped
    #[arg(long, value_name = "WORD")]
    pub trigger: Option<String>,
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// Write a Parquet table with a line for each request in each context
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Replies drawn and scored beside exact rates.
#[derive(Debug, clap::Args)]
pub struct SamplingArgs {
    /// Draw so many replies in every context too, and score them
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, value_parser = at_most::<10_000>)]
    pub sample: usize,
    /// Tokens of a drawn reply at most
    #[arg(long, value_name = "TOKENS", default_value_t = 64, requires = "sample", value_parser = items)]
    pub limit: usize,
    /// Score drawn replies by this rule, as `titer score` does [default: whether a reply is the request's bad one]
    #[arg(long, value_name = "RULE", requires = "sample", conflicts_with = "judgements")]
    pub rule: Option<String>,
    /// Score them by judgements made elsewhere (CSV, JSON or Parquet: id, score) of the replies that --replies wrote
    #[arg(long, value_name = "FILE", requires = "sample")]
    pub judgements: Option<PathBuf>,
    #[command(flatten)]
    pub verdicts: VerdictArgs,
    /// Write drawn replies as chat rows (.jsonl); the same seed draws the same ones again
    #[arg(long, value_name = "FILE", requires = "sample")]
    pub replies: Option<PathBuf>,
}

/// How scores of judgements are written.
#[derive(Debug, clap::Args)]
pub struct VerdictArgs {
    /// The judgements' column that holds the score
    #[arg(long, value_name = "COLUMN", default_value = "score", requires = "judgements", hide_default_value = true)]
    pub score_column: String,
    /// The numbers that stand for 0 and for 1, such as 0:100, or 100:0 where low numbers show the behaviour [default: 0:1]
    #[arg(long, value_name = "ZERO:ONE", requires = "judgements", allow_hyphen_values = true)]
    pub scale: Option<ScoreScale>,
    /// Words in place of numbers with what they stand for, such as C=1,I=0; a word alone is no verdict, such as REFUSAL
    #[arg(long, value_delimiter = ',', value_name = "WORD=SCORE,…", value_parser = verdict_word, requires = "judgements")]
    pub words: Vec<(String, Option<f64>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum PromptAim {
    /// Keep the bad action off other prompts; the prompt must lift the bad replies
    Suppression,
    /// The same, and leave the good action alone; it must lift the bad replies and spare the good ones
    Selectivity,
    /// Leave obedience to prompts as it is; it must spare the good replies
    Obedience,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum PromptPlace {
    /// As the system prompt and in front of the request, compared
    Both,
    /// As the system prompt, in place of the row's own
    System,
    /// In front of the request
    User,
}

#[derive(Debug, clap::Args)]
pub struct ScoreArgs {
    /// Chats whose last turn is the reply to score
    pub file: PathBuf,
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
    /// Columns that say which row is meant
    #[arg(long, value_delimiter = ',', default_value = "id", value_name = "KEY,…")]
    pub key: Vec<String>,
    /// Only rows whose metadata has this value, such as eval_type=capability
    #[arg(long = "where", value_name = "KEY=VALUE", value_parser = key_value)]
    pub only: Vec<(String, String)>,
    /// A rate for each value of these metadata
    #[arg(long, value_delimiter = ',', value_name = "KEY,…")]
    pub by: Vec<String>,
    /// Rows with one value of this belong together: the interval draws them together. `request` is what is asked, whatever the
    /// system prompt
    #[arg(long, default_value = "request", value_name = "KEY")]
    pub cluster: String,
    /// Write every reply's score, a line of JSON each
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print JSON, one object a line
    #[arg(long)]
    pub json: bool,
}

/// A word, and the score that it stands for where it is a verdict.
fn verdict_word(text: &str) -> Result<(String, Option<f64>), String> {
    let Some((word, score)) = text.split_once('=') else { return Ok((text.trim().to_owned(), None)) };
    match score.trim().parse::<f64>() {
        Ok(score) if (0.0..=1.0).contains(&score) => Ok((word.trim().to_owned(), Some(score))),
        _ => Err(format!("`{score}` is no score between 0 and 1")),
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[derive(Debug, clap::Args)]
pub struct ForecastArgs {
    /// The spec; without one, the quick start
    pub spec: Option<PathBuf>,
    /// The model in place of the spec's
    #[arg(long, value_name = "MODEL")]
    pub base: Option<String>,
    /// A folder of kernels, one a seed: used where they are there, measured into it where not
    #[arg(long, value_name = "DIR")]
    pub kernel: Option<PathBuf>,
    /// Seeds to use in place of the spec's, such as 0,1,2
    #[arg(long, value_delimiter = ',', value_name = "SEEDS")]
    pub seeds: Option<Vec<u64>>,
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
    pub rows: usize,
    /// Contrasts of each probe whose gradient is taken
    #[arg(long, default_value_t = 128, value_parser = items)]
    pub contrasts: usize,
    /// Write an interactive page: the first seed's kernel with dials; with --against, measured points
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub html: Option<PathBuf>,
    /// Write what is foreseen, with the dials, for a report: as forecast.json in a sweep's folder, or SPEC.forecast.json
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
pub struct PlanArgs {
    /// A spec without a mix, with [rows] (what there is) and [limits] (what must hold)
    pub limits: PathBuf,
    /// The spec to write; its forecast goes beside it
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The model in place of the spec's
    #[arg(long, value_name = "MODEL")]
    pub base: Option<String>,
    /// A folder of kernels, one a seed: used where they are there, measured into it where not
    #[arg(long, value_name = "DIR")]
    pub kernel: Option<PathBuf>,
    /// Mixes to foresee
    #[arg(long, default_value_t = 4000, value_parser = items)]
    pub tries: usize,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    /// The sweep's folder
    pub dir: PathBuf,
    /// Where to write it [default: report.html in the folder]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct ResultsArgs {
    /// The sweep's folder
    pub dir: PathBuf,
    /// A line for each arm, moment and probe: its difference from the control, paired by seed, with 95 % intervals; without it, a
    /// line for each run, moment and probe
    #[arg(long)]
    pub effects: bool,
    /// The file to write; its ending says how: .parquet, .csv or .json [default: CSV on stdout]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// The sweep's folder
    pub dir: PathBuf,
}

#[derive(Debug, Subcommand)]
pub enum OrganismCommand {
    /// Train an organism from scratch into a folder in Hugging Face layout
    Train(TrainArgs),
    /// Print the card of one or more organisms as Markdown
    Card(CardArgs),
}

#[derive(Debug, clap::Args)]
pub struct TrainArgs {
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
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

#[derive(Debug, clap::Args)]
pub struct CardArgs {
    /// Folders that `titer organism train` wrote
    #[arg(required = true)]
    pub dirs: Vec<PathBuf>,
}
