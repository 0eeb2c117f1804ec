//! Asking a server, and asking it again.

use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{RecvTimeoutError, channel},
    },
    thread::{Builder, sleep},
    time::Duration,
};

use serde_json::Value;

use super::{EndpointError, EndpointOptions, named::Named};

/// Seconds until an answer at most: a long prompt on a busy server.
const PATIENCE: Duration = Duration::from_secs(600);

/// Behind so long a time it is said what is waited for.
const SOON: Duration = Duration::from_secs(10);

/// Bytes of an answer at most.
const LONGEST: u64 = 1 << 30;

/// What a refusal says whose reason is a filter: of OpenAI's, of Azure's, and of those that speak like them.
const FILTERS: [&str; 3] = ["content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"];

/// Characters of what a server says that are shown.
const SHOWN: usize = 200;

/// A server, and the key to it.
#[derive(Debug)]
pub(super) struct Client {
    agent: ureq::Agent,
    /// Without what belongs to a version of the interface.
    base: String,
    key: Option<Key>,
    tries: usize,
    /// Is told what is waited for where that takes long; of an answer that does not come, once.
    waiting: fn(&str),
    has_told: AtomicBool,
}

/// A key, never to be shown.
struct Key(String);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }
}

/// What a server said: the status, and how long it wants to be left alone.
struct Said {
    status: u16,
    wait: Option<Duration>,
    text: String,
}

impl Client {
    /// For the server of these options, whose address may end in `/v1`.
    pub(super) fn new(options: &EndpointOptions) -> Self {
        let EndpointOptions { url, key, tries, waiting, .. } = options;
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE));
        let base = url.trim_end_matches('/');
        let base = base.strip_suffix("/v1").unwrap_or(base).to_owned();
        let (agent, key) = (config.build().into(), key.clone().map(Key));
        Self { agent, base, key, tries: *tries, waiting: *waiting, has_told: AtomicBool::new(false) }
    }

    /// The address of a path, without a password that it may hold.
    pub(super) fn shown(&self, path: &str) -> String {
        let whole = format!("{}{path}", self.base);
        match (whole.split_once("//"), whole.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, host))) => format!("{scheme}//{host}"),
            _ => whole,
        }
    }

    /// What the server answers to a body at a path, or without one. Where it is busy it is asked again, ever later. While it is found out
    /// what a server can (`trying`), an internal error that comes twice is an answer: so some say that they cannot.
    pub(super) fn ask(&self, path: &str, body: Option<&Value>, trying: bool) -> Result<Value, EndpointError> {
        let url = || self.shown(path);
        let mut last = None;
        for attempt in 0..self.tries.max(1) {
            if attempt > 0 {
                let wait = last.as_ref().and_then(|said: &Said| said.wait);
                let wait = wait.unwrap_or(Duration::from_millis(500 << (attempt - 1).min(6)));
                if let Some(said) = last.as_ref().filter(|_| wait > SOON) {
                    let (status, seconds) = (said.status, wait.as_secs());
                    (self.waiting)(&format!("{} answers status {status}; it is asked again in {seconds} s", url()));
                }
                sleep(wait);
            }
            let said = match self.patiently(|| self.once(path, body)) {
                Ok(said) => said,
                // A server that has answered before may come back; one that never did is not there.
                Err(problem) if attempt + 1 == self.tries.max(1) || attempt == 0 && body.is_none() => {
                    return Err(EndpointError::Down { url: url(), problem });
                }
                Err(_) => continue,
            };
            match said.status {
                200..=299 => {
                    return serde_json::from_str(&said.text).map_err(|error| EndpointError::NotJson {
                        url: url(),
                        problem: format!("{error} in {}", self.quoted(&said.text)),
                    });
                }
                429 | 502..=504 => last = Some(said),
                500 if !trying || attempt == 0 && self.tries > 1 => last = Some(said),
                status @ (401 | 403) => {
                    let remedy = match self.key {
                        Some(_) => "the key in the environment is not one that it takes",
                        None => "put a key into the environment, and name its variable with --key-from",
                    };
                    let (said, remedy) = (self.quoted(&said.text), remedy.to_owned());
                    return Err(EndpointError::Refused { url: url(), status, said, remedy });
                }
                400 | 422 if FILTERS.iter().any(|word| said.text.contains(word)) => {
                    return Err(EndpointError::Filtered { url: url(), said: self.quoted(&said.text) });
                }
                status => return Err(EndpointError::Status { url: url(), status, said: self.quoted(&said.text) }),
            }
        }
        match last {
            Some(Said { status, text, .. }) => {
                Err(EndpointError::Busy { url: url(), status, tries: self.tries, said: self.quoted(&text) })
            }
            None => Err(EndpointError::Down { url: url(), problem: "it does not answer".to_owned() }),
        }
    }

    /// How requests name the model. Makes sure that the server serves it, as far as it says what it serves.
    pub(super) fn serves(&self, model: &str, say: &dyn Fn(&str)) -> Result<Named, EndpointError> {
        let models = match self.ask("/v1/models", None, false) {
            Err(EndpointError::Status { .. }) => {
                say("the server does not say which models it serves, so the name is not checked");
                return Ok(Named::plain(model));
            }
            models => models?,
        };
        let each = || models["data"].as_array().into_iter().flatten();
        if let Some(entry) = each().find(|entry| entry["id"] == model) {
            return Ok(Named::listed(model, entry));
        }
        let known: Vec<&str> = each().filter_map(|model| model["id"].as_str()).collect();
        let mut aliases = each().filter_map(|model| model["aliases"].as_array()).flatten().filter_map(Value::as_str);
        if known.is_empty() || aliases.any(|alias| alias == model) {
            return Ok(Named::plain(model));
        }
        Err(EndpointError::NotServed { url: self.shown(""), model: model.to_owned(), known: known.join(", ") })
    }

    /// Waits for an answer; says so where it takes long, the first time.
    fn patiently<T>(&self, answer: impl FnOnce() -> T) -> T {
        if self.has_told.load(Ordering::Relaxed) {
            return answer();
        }
        let (done, waited) = channel::<()>();
        std::thread::scope(|scope| {
            let watch = move || {
                if waited.recv_timeout(SOON) == Err(RecvTimeoutError::Timeout)
                    && !self.has_told.swap(true, Ordering::Relaxed)
                {
                    let (server, patience) = (self.shown(""), PATIENCE.as_secs());
                    (self.waiting)(&format!("waiting for {server}; it is given up on an answer after {patience} s"));
                }
            };
            // Where no thread can be had, nothing is said.
            let _ = Builder::new().spawn_scoped(scope, watch);
            let answer = answer();
            drop(done);
            answer
        })
    }

    /// One request; the error is a sentence.
    fn once(&self, path: &str, body: Option<&Value>) -> Result<Said, String> {
        let url = format!("{}{path}", self.base);
        let authorization = self.key.as_ref().map(|Key(key)| format!("Bearer {key}"));
        let answer = match body {
            None => {
                let request = self.agent.get(&url);
                authorization.iter().fold(request, |request, key| request.header("Authorization", key)).call()
            }
            Some(body) => {
                let request = self.agent.post(&url).header("Content-Type", "application/json");
                let request = authorization.iter().fold(request, |request, key| request.header("Authorization", key));
                request.send(body.to_string())
            }
        };
        let mut answer = answer.map_err(|error| self.without_secrets(&error.to_string()))?;
        let wait = answer.headers().get("retry-after").and_then(|wait| wait.to_str().ok()?.trim().parse().ok());
        let text = answer.body_mut().with_config().limit(LONGEST).lossy_utf8(true).read_to_string();
        let text = text.map_err(|error| self.without_secrets(&error.to_string()))?;
        let wait = wait.filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0);
        Ok(Said {
            status: answer.status().as_u16(),
            wait: wait.map(|seconds| Duration::from_secs_f64(seconds.min(600.0))),
            text,
        })
    }

    /// The start of what a server says, on one line.
    fn quoted(&self, text: &str) -> String {
        let line = self.without_secrets(&text.split_whitespace().collect::<Vec<_>>().join(" "));
        let start: String = line.chars().take(SHOWN).collect();
        format!("`{start}{}`", if start.len() < line.len() { "…" } else { "" })
    }

    /// A text without the key, which a server may repeat.
    fn without_secrets(&self, text: &str) -> String {
        match &self.key {
            Some(Key(key)) if !key.is_empty() => text.replace(key.as_str(), "***"),
            _ => text.to_owned(),
        }
    }
}
