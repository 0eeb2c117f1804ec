//! A judge behind an endpoint.

use std::path::PathBuf;

use super::{endpoint::EndpointArgs, verdicts::VerdictArgs};

#[derive(Debug, clap::Args)]
pub(crate) struct JudgeArgs {
    /// Chats whose last turn is the reply to judge
    pub file: PathBuf,
    /// What the judge is asked: a text with {reply} where the reply goes, and {request} and {system} where those go; it asks for a number
    /// between 0 and 100
    #[arg(long, value_name = "FILE")]
    pub rubric: PathBuf,
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    /// Write a line of JSON (.jsonl) for each reply: id, score, verdict, what the judge said, and what it was asked
    #[arg(short, long, value_name = "FILE", required_unless_present = "dry_run")]
    pub out: Option<PathBuf>,
    /// Another judge's scores, or a person's (CSV, JSON or Parquet: id, score): says how far both agree
    #[arg(long, value_name = "FILE")]
    pub judgements: Option<PathBuf>,
    #[command(flatten)]
    pub verdicts: VerdictArgs,
    /// From this score on a reply counts as showing it, where agreement is told
    #[arg(long, value_name = "SCORE", default_value_t = 50.0)]
    pub threshold: f64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
