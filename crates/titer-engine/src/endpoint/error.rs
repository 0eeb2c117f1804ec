//! Why an endpoint cannot be used.

use std::io;

use super::Spending;

/// Why an endpoint could not be used.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// Nothing answers there.
    #[error("{url}: {problem}; is the server running, and is this its address?")]
    Down {
        /// The address.
        url: String,
        /// What went wrong.
        problem: String,
    },
    /// It does not let titer in.
    #[error("{url} answers status {status}: {said}; {remedy}")]
    Refused {
        /// The address.
        url: String,
        /// 401 or 403.
        status: u16,
        /// What it says.
        said: String,
        /// What to do.
        remedy: String,
    },
    /// It did not answer however often it was asked.
    #[error(
        "{url} answers status {status} after {tries} tries: {said}; what it has answered is kept, so the same command goes on later"
    )]
    Busy {
        /// The address.
        url: String,
        /// One that passes, such as 429 or 503.
        status: u16,
        /// How often it was asked.
        tries: usize,
        /// What it says.
        said: String,
    },
    /// It does not take what it is asked.
    #[error("{url} answers status {status}: {said}")]
    Status {
        /// The address.
        url: String,
        /// The status.
        status: u16,
        /// What it says.
        said: String,
    },
    /// It sends who asks elsewhere, which is not followed: a key is for the address that was named.
    #[error("{url} answers status {status}: it is redirected to {to}")]
    Redirected {
        /// The address.
        url: String,
        /// The status.
        status: u16,
        /// Where to, and what to do.
        to: String,
    },
    /// A filter of its own does not let this request, or the answer to it, through.
    #[error("{url} filters this request: {said}")]
    Filtered {
        /// The address.
        url: String,
        /// What it says.
        said: String,
    },
    /// It does not serve this model.
    #[error("{url} does not serve `{model}`: name one of {known} with --served")]
    NotServed {
        /// The address.
        url: String,
        /// The model asked for.
        model: String,
        /// Those that it serves.
        known: String,
    },
    /// What it answers is no JSON, or half of one.
    #[error("{url} answers what is not JSON: {problem}")]
    NotJson {
        /// The address.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Its answer lacks what was asked for.
    #[error("{url} answers without {lacks}: {said}")]
    Lacks {
        /// The address.
        url: String,
        /// What is not there.
        lacks: String,
        /// How the answer begins.
        said: String,
    },
    /// All of a judge's tokens went into its thoughts.
    #[error(
        "{url}: the judge spent its {limit} tokens on thoughts and gave no answer: turn its thinking off where it is served"
    )]
    Thought {
        /// The address.
        url: String,
        /// Tokens that it has.
        limit: usize,
    },
    /// No reply of any has a text.
    #[error(
        "{url} answers without a reply in choices[0].message.content, {replies} of {replies} times; the answers are kept in {kept}"
    )]
    Silent {
        /// The address.
        url: String,
        /// How many replies were asked for.
        replies: usize,
        /// The file of kept answers.
        kept: String,
    },
    /// It computed with other tokens than were sent.
    #[error(
        "{url} answers for other tokens than were sent ({back} in place of {sent}): it does not serve the model of this tokenizer, or cuts \
         text anew; name that model's tokenizer with --model"
    )]
    OtherIds {
        /// The address.
        url: String,
        /// What was sent, the first that differs.
        sent: String,
        /// What came back.
        back: String,
    },
    /// It gives no log-probabilities of given replies.
    #[error(
        "{url} gives no log-probabilities of given replies: {tried}. titer asks vLLM (prompt_logprobs), SGLang (/generate) and llama.cpp's \
         server (/completion, with token ids in grammars)"
    )]
    Cannot {
        /// The address.
        url: String,
        /// What was tried, with the answers.
        tried: String,
    },
    /// What it has answered cannot be kept.
    #[error("answers cannot be kept: {0}")]
    Cache(#[from] io::Error),
    /// Nothing was to be sent: it was only to be said how much that would be.
    #[error("{0}")]
    Counted(Spending),
}
