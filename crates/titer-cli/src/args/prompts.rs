//! Commands over candidate prompts.

use std::path::PathBuf;

use clap::ValueEnum as _;

use super::{
    bounds::items, compute::ComputeArgs, drawing::DrawArgs, endpoint::EndpointArgs, template::TemplateArgs,
    verdicts::VerdictArgs, view::ViewArgs,
};

/// Which model, and which rows.
#[derive(Debug, clap::Args)]
pub(crate) struct SubjectArgs {
    /// The model: the word organism, a folder, or a hub id; with --endpoint, whose tokenizer and chat template
    #[arg(short, long, default_value = "organism", value_name = "MODEL")]
    pub model: String,
    /// Which shipped organism, and which rows and contrasts of its world
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub template: TemplateArgs,
    /// Give it these adapters (a folder in PEFT's layout)
    #[arg(long, value_name = "DIR")]
    pub adapter: Option<PathBuf>,
    #[command(flatten)]
    pub compute: ComputeArgs,
    /// Chat rows (.jsonl), each with a cell whose action is bad or good, or a spec, whose rules give rows their cells [default: requests of the world]
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
    #[command(flatten)]
    pub endpoint: EndpointArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ScreenArgs {
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
    #[arg(long, value_enum, default_value_t = PromptAim::Selectivity, value_name = "AIM")]
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
    /// Write a table (.parquet, .csv or .json) with a line for each row under each prompt
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

#[derive(Debug, clap::Args)]
pub(crate) struct ValidateArgs {
    /// The arms (.csv, .jsonl or .parquet), one a line: prompt, setting, suppression, kept, and your own predictors in any other columns
    pub table: PathBuf,
    /// What `titer screen --out` wrote of these prompts before training, or a sweep's folder whose runs screened theirs; SETTING=FILE for each
    /// setting's own model and rows
    #[arg(long, value_name = "[SETTING=]FILE")]
    pub screening: Vec<String>,
    /// What a column of the table is called where it is not by its own name, such as prompt=wording; of prompt (called as in the
    /// screening), setting (a model and its data, within which prompts are compared), suppression and kept (how far the unwanted trait
    /// was suppressed and the wanted one kept; more is better), target (the unwanted trait after training without a prompt, for the
    /// k-rule), turn (where the prompt stood: system or user)
    #[arg(long, value_name = "NAME=COLUMN", value_parser = outcome_column)]
    pub column: Vec<(OutcomeName, String)>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub view: ViewArgs,
}

/// The columns of a table of outcomes, by what they hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OutcomeName {
    Prompt,
    Setting,
    Suppression,
    Kept,
    Target,
    Turn,
}

/// A column's name and what it is called.
fn outcome_column(text: &str) -> Result<(OutcomeName, String), String> {
    let (name, column) = text.split_once('=').ok_or("write it as NAME=COLUMN, such as prompt=wording")?;
    let name = OutcomeName::from_str(name.trim(), true)
        .map_err(|_| format!("`{name}` is none of prompt, setting, suppression, kept, target, turn"))?;
    Ok((name, column.to_owned()))
}

#[derive(Debug, clap::Args)]
pub(crate) struct LeakArgs {
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
    /// Write a table (.parquet, .csv or .json) with a line for each request in each context
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

/// Replies drawn and scored beside exact rates.
#[derive(Debug, clap::Args)]
pub(crate) struct SamplingArgs {
    #[command(flatten)]
    pub drawing: DrawArgs,
    /// Score drawn replies by this rule, as `titer score` does [default: whether a reply is the request's bad one]
    #[arg(long, value_name = "RULE", requires = "sample", conflicts_with = "judgements")]
    pub rule: Option<String>,
    /// Score them by judgements made elsewhere (CSV, JSON or Parquet: id, score) of the replies that --replies wrote
    #[arg(long, value_name = "FILE", requires = "sample")]
    pub judgements: Option<PathBuf>,
    #[command(flatten)]
    pub verdicts: VerdictArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum PromptAim {
    /// Keep the bad action off other prompts; the prompt must lift the bad replies
    Suppression,
    /// The same, and leave the good action alone; it must lift the bad replies and spare the good ones
    Selectivity,
    /// Leave obedience to prompts as it is; it must spare the good replies
    Obedience,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum PromptPlace {
    /// As the system prompt and in front of the request, compared
    Both,
    /// As the system prompt, in place of the row's own
    System,
    /// In front of the request
    User,
}
