//! How servers are asked for log-probabilities of given tokens, and what they answer.

use std::sync::atomic::AtomicUsize;

use serde_json::{Value, json};

use super::{EndpointError, client::Client, named::Named};

/// The interface of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// vLLM: completions of one token, with log-probabilities of the prompt.
    Vllm,
    /// SGLang: nothing generated, log-probabilities of the prompt from a token on.
    Sglang,
    /// llama.cpp: the reply generated, by a grammar that allows nothing else.
    LlamaCpp,
}

/// A context and a reply to it, as token ids.
pub(super) type Pair<'a> = (&'a [u32], &'a [u32]);

impl Dialect {
    /// In the order in which a server is tried.
    pub(super) const ALL: [Self; 3] = [Self::Vllm, Self::Sglang, Self::LlamaCpp];

    /// What is said of a server that has it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Vllm => "prompt_logprobs of /v1/completions, as vLLM has it",
            Self::Sglang => "logprob_start_len of /generate, as SGLang has it",
            Self::LlamaCpp => "grammars of token ids at /completion, as llama.cpp has it",
        }
    }

    /// Where requests go.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Vllm => "/v1/completions",
            Self::Sglang => "/generate",
            Self::LlamaCpp => "/completion",
        }
    }

    /// The log-probability of a reply in its context, nats, asked of a server; `sent` counts requests.
    ///
    /// # Errors
    /// Where it does not answer, or not for these tokens.
    pub(super) fn log_prob(
        self,
        client: &Client,
        named: &Named,
        pair: Pair<'_>,
        trying: bool,
        sent: &AtomicUsize,
    ) -> Result<f64, EndpointError> {
        let answer = client.ask(self.path(), Some(&self.request(named, pair)), trying, sent)?;
        let said = || client.quoted(&answer.to_string());
        self.read(&answer, pair).map_err(|problem| problem.at(&client.shown(self.path()), said()))
    }

    fn request(self, named: &Named, (context, reply): Pair<'_>) -> Value {
        let whole = [context, reply].concat();
        let mut body = match self {
            Self::Vllm => json!({
                "prompt": whole, "max_tokens": 1, "temperature": 0.0, "prompt_logprobs": 0, "add_special_tokens": false,
            }),
            // From the last token of the context on, since the first that is returned may have no number.
            Self::Sglang => json!({
                "input_ids": whole, "return_logprob": true, "logprob_start_len": context.len().saturating_sub(1),
                "sampling_params": { "max_new_tokens": 1, "temperature": 0.0 },
            }),
            Self::LlamaCpp => {
                // Grammars hold no token that ends a reply: where one has ended, nothing else is left. Of several such tokens the one that is
                // sent is preferred; log-probabilities are those before grammar and preference.
                let (last, body) = reply.split_last().expect("a reply has tokens");
                let body: String = body.iter().map(|id| format!(" <[{id}]>")).collect();
                let body = if body.is_empty() { " \"\"".to_owned() } else { body };
                json!({
                    "prompt": context, "grammar": format!("root ::={body}"), "logit_bias": [[last, 100.0]],
                    "n_predict": reply.len(), "n_probs": 1, "temperature": 0.0, "cache_prompt": true, "post_sampling_probs": false,
                })
            }
        };
        named.put(body.as_object_mut().expect("every request is an object"));
        body
    }

    fn read(self, answer: &Value, (context, reply): Pair<'_>) -> Result<f64, Unfit> {
        let lacks = |what: &str| Unfit::Lacks(what.to_owned());
        // Token ids with their log-probabilities, at least for the reply, which comes last.
        let tokens: Vec<(u64, Option<f64>)> = match self {
            Self::Vllm => {
                let prompt =
                    answer["choices"][0]["prompt_logprobs"].as_array().ok_or_else(|| lacks("prompt_logprobs"))?;
                if prompt.len() != context.len() + reply.len() {
                    let what =
                        format!("{} tokens of the prompt: it names {}", context.len() + reply.len(), prompt.len());
                    return Err(Unfit::Lacks(what));
                }
                let entry = |(at, entry): (usize, &Value)| {
                    let sent = reply[at].to_string();
                    let other = || entry.as_object().and_then(|entries| entries.keys().next());
                    match &entry[&sent]["logprob"] {
                        Value::Null => (other().and_then(|id| id.parse().ok()).unwrap_or(u64::MAX), None),
                        number => (u64::from(reply[at]), number.as_f64()),
                    }
                };
                prompt[context.len()..].iter().enumerate().map(entry).collect()
            }
            Self::Sglang => {
                let all = answer["meta_info"]["input_token_logprobs"].as_array();
                let all = all.ok_or_else(|| lacks("meta_info.input_token_logprobs"))?;
                all.iter().map(|entry| (entry[1].as_u64().unwrap_or(u64::MAX), entry[0].as_f64())).collect()
            }
            Self::LlamaCpp => {
                let all = answer["completion_probabilities"].as_array();
                let all = all.ok_or_else(|| lacks("completion_probabilities"))?;
                all.iter().map(|entry| (entry["id"].as_u64().unwrap_or(u64::MAX), entry["logprob"].as_f64())).collect()
            }
        };
        let start =
            tokens.len().checked_sub(reply.len()).ok_or_else(|| lacks("a number for every token of the reply"))?;
        let mut sum = 0.0;
        for (&sent, &(back, log_prob)) in reply.iter().zip(&tokens[start..]) {
            if back != u64::from(sent) {
                return Err(Unfit::OtherIds { sent: sent.to_string(), back: back.to_string() });
            }
            let log_prob = log_prob.filter(|number| number.is_finite() && *number <= 1e-3);
            sum += log_prob.ok_or_else(|| lacks("a log-probability that is one"))?;
        }
        // Numbers that are each one can be too many.
        if sum.is_finite() { Ok(sum) } else { Err(lacks("log-probabilities whose sum is one")) }
    }
}

/// An answer that is not what was asked for.
enum Unfit {
    Lacks(String),
    OtherIds { sent: String, back: String },
}

impl Unfit {
    fn at(self, url: &str, said: String) -> EndpointError {
        let url = url.to_owned();
        match self {
            Self::Lacks(lacks) => EndpointError::Lacks { url, lacks, said },
            Self::OtherIds { sent, back } => EndpointError::OtherIds { url, sent, back },
        }
    }
}
