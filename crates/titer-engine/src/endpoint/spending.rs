//! What is sent to an endpoint.

use std::{fmt, ops::Add};

use titer::words::counted;

/// How much is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spending {
    /// Replies whose log-probability is wanted, each once.
    pub replies: usize,
    /// Those of them that are known from an earlier command.
    pub known: usize,
    /// Requests: one for each of the others. Of what was sent, also those that found out what the server can and those that were repeated.
    pub requests: usize,
    /// Tokens of contexts that are sent.
    pub context_tokens: usize,
    /// Tokens of replies that are sent, or generated again.
    pub reply_tokens: usize,
}

impl Add for Spending {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            replies: self.replies + other.replies,
            known: self.known + other.known,
            requests: self.requests + other.requests,
            context_tokens: self.context_tokens + other.context_tokens,
            reply_tokens: self.reply_tokens + other.reply_tokens,
        }
    }
}

impl fmt::Display for Spending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { replies, known, requests, context_tokens, reply_tokens } = self;
        write!(
            f,
            "{} in their contexts, {known} known from before: {} with {} of contexts and {reply_tokens} of replies",
            counted(*replies, "different reply"),
            counted(*requests, "request"),
            counted(*context_tokens, "token")
        )
    }
}
