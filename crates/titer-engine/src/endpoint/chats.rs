//! Chats with a model behind an endpoint: equal ones are held once, and what was answered is kept.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Map, Value};

use super::{
    EndpointError, EndpointOptions,
    cache::{AskedKey, Cache},
    client::Client,
    each::each,
    named::Named,
};

/// Where chats go, with every server that speaks OpenAI's interface.
const PATH: &str = "/v1/chat/completions";

/// How many chats there are, and how many are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChatSpending {
    /// Different chats.
    pub chats: usize,
    /// Those of them whose answer is known from an earlier command.
    pub known: usize,
    /// Characters of the others.
    pub characters: usize,
    /// Tokens that the server says it read and wrote, where it says so.
    pub tokens: usize,
}

/// What is asked in a chat.
pub(super) trait Question: Sync {
    /// What tells it from others.
    fn key(&self) -> AskedKey;

    /// Its length.
    fn characters(&self) -> usize;
}

/// What is known of an answer.
pub(super) enum ChatAnswer {
    /// It is kept.
    Kept(Value),
    /// It is of use to this command alone.
    Passing(Value),
}

/// What servers call the limit of a reply's tokens, the commonest first.
pub(super) const LIMITS: [&str; 2] = ["max_tokens", "max_completion_tokens"];

/// Why a reply ends that a filter of the server's does not let through.
pub(super) const FILTERED: &str = "content_filter";

/// Keys of a message that are no reply in another place.
const PLAIN: [&str; 4] = ["role", "content", "refusal", "name"];

/// An answer of a chat.
pub(super) struct ChatChoice {
    /// The reply, where there is one; it may be empty.
    pub(super) content: Option<String>,
    /// What a service says in a field of its own where it refuses.
    pub(super) refusal: Option<String>,
    /// Whether the message has something beside its reply, such as thoughts.
    pub(super) has_other: bool,
    /// What ended the reply.
    pub(super) finish: Option<String>,
}

/// A message's text, which may come in parts; `None` where it is none.
fn text_of(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            let texts: Vec<&str> =
                parts.iter().filter_map(|part| part.as_str().or_else(|| part["text"].as_str())).collect();
            (parts.is_empty() || !texts.is_empty()).then(|| texts.concat())
        }
        _ => None,
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(values) => values.is_empty(),
        _ => false,
    }
}

/// Chats with a model behind an endpoint.
#[derive(Debug)]
pub(super) struct ChatClient {
    pub(super) options: EndpointOptions,
    client: Client,
    cache: Cache,
    /// Known when the server has been asked what it serves.
    named: OnceLock<Named>,
    tokens: AtomicUsize,
}

impl ChatClient {
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// Where answers cannot be kept.
    pub(super) fn new(options: EndpointOptions) -> Result<Self, EndpointError> {
        let client = Client::new(&options);
        let cache = Cache::open(&options.cache, &client.shown(PATH), &options.served)?;
        Ok(Self { options, client, cache, named: OnceLock::new(), tokens: AtomicUsize::new(0) })
    }

    /// What these cost.
    pub(super) fn spending<'a, T: Question + 'a>(&self, said: impl IntoIterator<Item = &'a T>) -> ChatSpending {
        let (mut seen, mut spending) = (BTreeSet::new(), ChatSpending::default());
        for one in said {
            let key = one.key();
            let known = self.cache.get(&key).is_some();
            if seen.insert(key) {
                spending.chats += 1;
                spending.known += usize::from(known);
                spending.characters += if known { 0 } else { one.characters() };
            }
        }
        ChatSpending { tokens: self.tokens.load(Ordering::Relaxed), ..spending }
    }

    /// What is kept of the answer to each. Equal ones are asked once, and none whose answer is known; `ask` asks, and says what is kept, or what
    /// is not to be kept: the next command asks for it again.
    /// `progress` is told of every answer. The first is asked alone, so that it may find out what the server can.
    ///
    /// # Errors
    /// The first answer that cannot be used; those before it are kept.
    pub(super) fn answers<T: Question>(
        &self,
        said: &[T],
        ask: &(dyn Fn(&T) -> Result<ChatAnswer, EndpointError> + Sync),
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Vec<Value>, EndpointError> {
        let keys: Vec<AskedKey> = said.iter().map(Question::key).collect();
        let mut seen = BTreeSet::new();
        let todo: Vec<usize> =
            (0..said.len()).filter(|&at| seen.insert(&keys[at]) && self.cache.get(&keys[at]).is_none()).collect();
        let done = AtomicUsize::new(0);
        let one = |&at: &usize| -> Result<(), EndpointError> {
            match ask(&said[at])? {
                ChatAnswer::Kept(answer) => self.cache.put(keys[at].clone(), answer)?,
                ChatAnswer::Passing(answer) => self.cache.remember(keys[at].clone(), answer),
            }
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, todo.len());
            Ok(())
        };
        if let Some((first, others)) = todo.split_first() {
            one(first)?;
            each(others, self.options.at_once, one)?;
        }
        Ok(keys.iter().map(|key| self.cache.get(key).expect("it has been asked")).collect())
    }

    /// What the server answers to a body; `trying` as in [`Client::ask`].
    pub(super) fn post(&self, body: &Value, trying: bool) -> Result<Value, EndpointError> {
        let answer = self.client.ask(PATH, Some(body), trying, &AtomicUsize::new(0))?;
        let used = answer["usage"]["total_tokens"].as_u64().unwrap_or(0);
        self.tokens.fetch_add(usize::try_from(used).unwrap_or(0), Ordering::Relaxed);
        Ok(answer)
    }

    /// Makes sure that the server serves the model, as far as it says what it serves. Asked once.
    pub(super) fn serves(&self, say: &dyn Fn(&str)) -> Result<(), EndpointError> {
        if self.named.get().is_some() {
            return Ok(());
        }
        let named = self.client.serves(&self.options.served, say)?;
        self.named.get_or_init(|| named);
        Ok(())
    }

    /// Puts the model's name into a request.
    pub(super) fn name(&self, body: &mut Map<String, Value>) {
        match self.named.get() {
            Some(named) => named.put(body),
            None => Named::plain(&self.options.served).put(body),
        }
    }

    /// An answer of a chat.
    ///
    /// # Errors
    /// Where it has none.
    pub(super) fn choice(&self, answer: &Value) -> Result<ChatChoice, EndpointError> {
        let choice = &answer["choices"][0];
        let message = choice["message"].as_object().ok_or_else(|| self.lacks("choices[0].message.content", answer))?;
        Ok(ChatChoice {
            content: message.get("content").and_then(text_of),
            refusal: message.get("refusal").and_then(text_of),
            // Thoughts have no one name.
            has_other: message.iter().any(|(key, value)| !PLAIN.contains(&&**key) && !is_nothing(value)),
            finish: choice["finish_reason"].as_str().map(str::to_owned),
        })
    }

    /// An answer without what was asked for.
    pub(super) fn lacks(&self, lacks: &str, answer: &Value) -> EndpointError {
        let said = self.client.quoted(&answer.to_string());
        EndpointError::Lacks { url: self.url(), lacks: lacks.to_owned(), said }
    }

    /// Where chats go.
    pub(super) fn url(&self) -> String {
        self.client.shown(PATH)
    }

    /// The file in which answers are kept.
    pub(super) fn kept(&self) -> &Path {
        self.cache.path()
    }
}
