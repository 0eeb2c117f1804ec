//! A model behind an endpoint, in place of one here.

use std::path::PathBuf;

use super::bounds::at_most;

/// Which endpoint, and how it is asked.
#[derive(Debug, clap::Args)]
pub(crate) struct EndpointArgs {
    /// Ask a server in place of a model here, such as http://localhost:8000: vLLM, SGLang, llama.cpp's or titer's for log-probabilities, any
    /// that speaks OpenAI's interface for chats
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// What the server calls the model
    #[arg(long, value_name = "MODEL", requires = "endpoint")]
    pub served: Option<String>,
    /// The environment variable that holds the server's key, which is never written or printed [default: TITER_API_KEY, where it is set]
    #[arg(long, value_name = "VARIABLE", requires = "endpoint")]
    pub key_from: Option<String>,
    /// Requests under way at once
    #[arg(long, value_name = "N", default_value_t = 8, requires = "endpoint", value_parser = at_most::<1024>)]
    pub at_once: usize,
    /// How often a busy server is asked, ever later
    #[arg(long, value_name = "N", default_value_t = 6, requires = "endpoint", value_parser = at_most::<100>)]
    pub tries: usize,
    /// The folder in which answers are kept, and looked for before anything is sent [default: titer/endpoints in the user's cache]
    #[arg(long, value_name = "DIR", requires = "endpoint")]
    pub cache: Option<PathBuf>,
    /// Send nothing; say how many requests and tokens it would be
    #[arg(long, requires = "endpoint")]
    pub dry_run: bool,
}
