//! Asking a server, and asking it again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{RecvTimeoutError, channel},
    },
    thread::{Builder, sleep},
    time::Duration,
};

use serde_json::Value;

use super::{
    EndpointError, EndpointOptions, Waiting,
    named::Named,
    said::{Passing, Said, status_within, wait_of},
};

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
pub(super) struct Client {
    agent: ureq::Agent,
    /// Without what belongs to a version of the interface.
    base: String,
    key: Option<Key>,
    tries: usize,
    /// Is told what is waited for where that takes long; of an answer that does not come, once.
    waiting: Waiting,
    has_told: AtomicBool,
}

/// A key, never to be shown.
struct Key(String);

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a client of {}", self.shown(""))
    }
}

impl Client {
    /// For the server of these options, whose address may end in `/v1`.
    pub(super) fn new(options: &EndpointOptions) -> Self {
        let EndpointOptions { url, key, tries, waiting, .. } = options;
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE));
        // A key is for the address that was named, and what is sent is sent there.
        let config = config.max_redirects(0);
        let base = url.trim_end_matches('/');
        let base = base.strip_suffix("/v1").unwrap_or(base).to_owned();
        let (agent, key) = (config.build().into(), key.clone().map(Key));
        Self { agent, base, key, tries: *tries, waiting: Arc::clone(waiting), has_told: AtomicBool::new(false) }
    }

    /// The address of a path, without a password that it may hold.
    pub(super) fn shown(&self, path: &str) -> String {
        without_password(&format!("{}{path}", self.base))
    }

    /// What the server answers to a body at a path, or without one. Where it is busy it is asked again, ever later. While it is found out
    /// what a server can (`trying`), an internal error that comes twice is an answer: so some say that they cannot. `sent` counts requests.
    pub(super) fn ask(
        &self,
        path: &str,
        body: Option<&Value>,
        trying: bool,
        sent: &AtomicUsize,
    ) -> Result<Value, EndpointError> {
        let tries = self.tries.max(1);
        let mut last: Option<(u16, Option<Duration>)> = None;
        for attempt in 0..tries {
            if attempt > 0 {
                let wait = last.and_then(|(_, wait)| wait);
                let wait = wait.unwrap_or(Duration::from_millis(500 << (attempt - 1).min(6)));
                if let Some((status, _)) = last.filter(|_| wait > SOON) {
                    let (url, seconds) = (self.shown(path), wait.as_secs());
                    (self.waiting)(&format!("{url} answers status {status}; it is asked again in {seconds} s"));
                }
                sleep(wait);
            }
            sent.fetch_add(1, Ordering::Relaxed);
            let is_last = attempt + 1 == tries;
            let said = match self.patiently(|| self.once(path, body)) {
                Ok(said) => said,
                // A server that has answered before may come back; one that never did is not there.
                Err(problem) if is_last || attempt == 0 && body.is_none() => {
                    return Err(EndpointError::Down { url: self.shown(path), problem });
                }
                Err(_) => continue,
            };
            let (status, wait) = (said.status, said.wait);
            match self.read(path, said, trying) {
                Ok(answer) => return Ok(answer),
                Err((passing, error)) => {
                    // Where nothing is sent along, it is seen whether this is the right address at all.
                    let is_answer = trying || body.is_none() && status < 300;
                    let goes_on = match passing {
                        Passing::Yes => true,
                        Passing::Perhaps => !is_answer || attempt == 0,
                        Passing::No => false,
                    };
                    if is_last || !goes_on {
                        return Err(error);
                    }
                    last = Some((status, wait));
                }
            }
        }
        Err(EndpointError::Down { url: self.shown(path), problem: "it does not answer".to_owned() })
    }

    /// What was said, as an answer, or why it is none and whether that passes.
    fn read(&self, path: &str, said: Said, trying: bool) -> Result<Value, (Passing, EndpointError)> {
        let (url, quoted) = (self.shown(path), || self.quoted(&said.text));
        let mut status = said.status;
        if let 200..=299 = status {
            match serde_json::from_str::<Value>(&said.text) {
                Ok(answer) => match status_within(&answer) {
                    None => return Ok(answer),
                    Some(within) => status = within,
                },
                // A page of a proxy's, or an answer that was cut.
                Err(error) => {
                    let problem = format!("{error} in {}", quoted());
                    return Err((Passing::Perhaps, EndpointError::NotJson { url, problem }));
                }
            }
        }
        let passing = Passing::of(status);
        let error = match status {
            300..=399 => EndpointError::Redirected { url, status, to: self.elsewhere(path, said.elsewhere.as_deref()) },
            401 | 403 => {
                let remedy = match self.key {
                    Some(_) => "the key in the environment is not one that it takes",
                    None => "put a key into the environment, and name its variable with --key-from",
                };
                EndpointError::Refused { url, status, said: quoted(), remedy: remedy.to_owned() }
            }
            200 | 400 | 422 if FILTERS.iter().any(|word| said.text.contains(word)) => {
                EndpointError::Filtered { url, said: quoted() }
            }
            _ if passing == Passing::Yes || passing == Passing::Perhaps && !trying => {
                EndpointError::Busy { url, status, tries: self.tries, said: quoted() }
            }
            _ => EndpointError::Status { url, status, said: quoted() },
        };
        Err((passing, error))
    }

    /// What is to be named where a server sends who asks for a path elsewhere.
    fn elsewhere(&self, path: &str, to: Option<&str>) -> String {
        let Some(to) = to.filter(|to| !to.is_empty()) else {
            return "nowhere: ask who runs it for its address".to_owned();
        };
        let to = self.without_secrets(to);
        let whole = match to.strip_prefix('/') {
            Some(_) if to.starts_with("//") => format!("{}{to}", self.base.split("//").next().unwrap_or_default()),
            Some(_) => {
                let host = self.base.find("//").and_then(|at| Some(at + 2 + self.base[at + 2..].find('/')?));
                format!("{}{to}", &self.base[..host.unwrap_or(self.base.len())])
            }
            None => to,
        };
        let shown: String = without_password(whole.strip_suffix(path).unwrap_or(&whole)).chars().take(SHOWN).collect();
        format!("{shown}: name that with --endpoint, if it is where your key belongs")
    }

    /// How requests name the model. Makes sure that the server serves it, as far as it says what it serves.
    pub(super) fn serves(&self, model: &str, say: &dyn Fn(&str)) -> Result<Named, EndpointError> {
        let models = match self.ask("/v1/models", None, false, &AtomicUsize::new(0)) {
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
        let header = |name: &str| answer.headers().get(name).and_then(|value| Some(value.to_str().ok()?.to_owned()));
        let wait = header("retry-after").and_then(|asked| wait_of(&asked, header("date").as_deref()));
        let elsewhere = header("location");
        let text = answer.body_mut().with_config().limit(LONGEST).lossy_utf8(true).read_to_string();
        let text = text.map_err(|error| self.without_secrets(&error.to_string()))?;
        Ok(Said { status: answer.status().as_u16(), wait, elsewhere, text })
    }

    /// The start of what a server says, on one line.
    pub(super) fn quoted(&self, text: &str) -> String {
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

/// An address without a user and a password.
fn without_password(address: &str) -> String {
    match (address.split_once("//"), address.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}//{host}"),
        _ => address.to_owned(),
    }
}
