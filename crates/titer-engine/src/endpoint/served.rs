//! A model behind an endpoint.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{
    Drawer, EndpointError, EndpointOptions, Reader, Spending,
    cache::{AskedKey, Cache},
    client::Client,
    dialect::{Dialect, Pair},
    each::each,
    named::Named,
};

/// A model behind an endpoint.
#[derive(Debug)]
pub struct Endpoint {
    /// Its tokenizer and its template.
    pub reader: Reader,
    options: EndpointOptions,
    client: Client,
    cache: Cache,
    /// How the server is asked, and for what; not known before something is.
    dialect: Mutex<Option<(Dialect, Named)>>,
    spent: Mutex<Spending>,
}

impl Endpoint {
    /// A model behind an endpoint; nothing is sent yet.
    ///
    /// # Errors
    /// Where answers cannot be kept.
    pub fn new(reader: Reader, options: EndpointOptions) -> Result<Self, EndpointError> {
        let client = Client::new(&options);
        let cache = Cache::open(&options.cache, &client.shown(""), &options.served)?;
        Ok(Self { reader, options, client, cache, dialect: Mutex::new(None), spent: Mutex::new(Spending::default()) })
    }

    /// What the model is called, and where it is served.
    pub fn place(&self) -> String {
        format!("{} at {}", self.options.served, self.client.shown(""))
    }

    /// Who draws replies from it.
    ///
    /// # Errors
    /// Where answers cannot be kept.
    pub fn drawer(&self) -> Result<Drawer, EndpointError> {
        Drawer::new(self.options.clone(), self.reader.template.options().clone())
    }

    /// What was sent so far.
    pub fn spent(&self) -> Spending {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The log-probability of every reply in its context, nats. Equal pairs are asked once, and none that is known from before. `say` is told
    /// what is about to be sent and how the server is asked, `progress` of every answer.
    ///
    /// # Errors
    /// The first answer that cannot be used; those before it are kept. [`EndpointError::Counted`] where nothing was to be sent.
    pub fn log_probs(
        &self,
        pairs: &[Pair<'_>],
        say: &dyn Fn(&str),
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Vec<f64>, EndpointError> {
        let keys: Vec<AskedKey> = pairs.iter().map(|(context, reply)| Cache::key(context, reply)).collect();
        let (todo, spending) = self.unknown(pairs, &keys);
        if self.options.dry_run {
            return Err(EndpointError::Counted(spending));
        }
        say(&format!("{spending}; answers are kept in {}", self.cache.path().display()));
        if let Some(&first) = todo.first() {
            let keep = |at: usize, log_prob: f64| self.cache.put(keys[at].clone(), log_prob.into());
            let (dialect, named, found) = self.dialect(pairs[first], say)?;
            // What found out how the server is asked was an answer, and is paid for.
            let others = match found {
                None => &todo[..],
                Some(log_prob) => {
                    keep(first, log_prob)?;
                    &todo[1..]
                }
            };
            let done = AtomicUsize::new(todo.len() - others.len());
            each(others, self.options.at_once, |&at| {
                keep(at, self.one(dialect, &named, pairs[at], false)?)?;
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, todo.len());
                Ok::<_, EndpointError>(())
            })?;
        }
        let mut spent = self.spent();
        (spent.replies, spent.known) = (spent.replies + spending.replies, spent.known + spending.known);
        *self.spent.lock().unwrap_or_else(PoisonError::into_inner) = spent;
        let known = |key: &AskedKey| self.cache.get(key).and_then(|answer| answer.as_f64());
        Ok(keys.iter().map(|key| known(key).expect("it has been asked")).collect())
    }

    /// What these pairs cost.
    pub fn spending(&self, pairs: &[Pair<'_>]) -> Spending {
        let keys: Vec<AskedKey> = pairs.iter().map(|(context, reply)| Cache::key(context, reply)).collect();
        self.unknown(pairs, &keys).1
    }

    /// The pairs that have to be asked for, and what all of them cost.
    fn unknown(&self, pairs: &[Pair<'_>], keys: &[AskedKey]) -> (Vec<usize>, Spending) {
        let mut seen = BTreeSet::new();
        let different: Vec<usize> = (0..pairs.len()).filter(|&at| seen.insert(&keys[at])).collect();
        let todo: Vec<usize> = different
            .iter()
            .copied()
            .filter(|&at| self.cache.get(&keys[at]).and_then(|answer| answer.as_f64()).is_none())
            .collect();
        let tokens = |part: fn(&Pair<'_>) -> usize| todo.iter().map(|&at| part(&pairs[at])).sum::<usize>();
        let spending = Spending {
            replies: different.len(),
            known: different.len() - todo.len(),
            requests: todo.len(),
            context_tokens: tokens(|pair| pair.0.len()),
            reply_tokens: tokens(|pair| pair.1.len()),
        };
        (todo, spending)
    }

    /// Asks for a pair; every request is booked, those that are repeated too.
    fn one(&self, dialect: Dialect, named: &Named, pair: Pair<'_>, trying: bool) -> Result<f64, EndpointError> {
        let sent = AtomicUsize::new(0);
        let log_prob = dialect.log_prob(&self.client, named, pair, trying, &sent);
        let sent = sent.into_inner();
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        spent.requests += sent;
        spent.context_tokens += sent * pair.0.len();
        spent.reply_tokens += sent * pair.1.len();
        log_prob
    }

    /// How the server is asked, found out by asking for one pair in every way until one works; with the answer to that, where it was asked for now.
    fn dialect(&self, pair: Pair<'_>, say: &dyn Fn(&str)) -> Result<(Dialect, Named, Option<f64>), EndpointError> {
        let mut known = self.dialect.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((dialect, named)) = &*known {
            return Ok((*dialect, named.clone(), None));
        }
        let named = self.client.serves(&self.options.served, say)?;
        let mut tried = Vec::new();
        for dialect in Dialect::ALL {
            match self.one(dialect, &named, pair, true) {
                Ok(log_prob) => {
                    say(&format!(
                        "{} serves `{}`, asked by {}",
                        self.client.shown(""),
                        self.options.served,
                        dialect.name()
                    ));
                    *known = Some((dialect, named.clone()));
                    return Ok((dialect, named, Some(log_prob)));
                }
                Err(EndpointError::Status { status, .. }) => {
                    tried.push(format!("{} answers status {status}", dialect.path()))
                }
                Err(EndpointError::Lacks { lacks, .. }) => {
                    tried.push(format!("{} answers without {lacks}", dialect.path()))
                }
                Err(EndpointError::NotJson { .. }) => {
                    tried.push(format!("{} answers what is not JSON", dialect.path()))
                }
                Err(other) => return Err(other),
            }
        }
        Err(EndpointError::Cannot { url: self.client.shown(""), tried: tried.join(", ") })
    }
}
