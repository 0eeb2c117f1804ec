//! Downloading a model into the local cache.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use hf_hub::{
    Cache,
    api::sync::{ApiBuilder, ApiError, ApiRepo},
};

use titer::environment::variable;
use titer_model::io::{read_config, read_file};

use super::{
    DownloadProgress, HubError,
    cache::{FILES, OTHER_TEMPLATES, home},
};

/// Where models come from unless `HF_ENDPOINT` names another place.
const HUB: &str = "https://huggingface.co";

/// What not every model has: a chat template with a file of its own, special tokens that other files name, and tokens that end replies.
const WHERE_THERE: [&str; 4] =
    ["chat_template.jinja", "special_tokens_map.json", "added_tokens.json", "generation_config.json"];

/// What an adapter has.
const ADAPTER_CONFIG: &str = "adapter_config.json";

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// How often a file whose download breaks off is tried again, from where it broke off.
const RETRIES: usize = 3;

/// Downloads what is missing of a model, its weights last.
pub(super) fn get(id: &str, cache: PathBuf, progress: &dyn DownloadProgress) -> Result<(), HubError> {
    let endpoint = std::env::var("HF_ENDPOINT").ok().filter(|endpoint| !endpoint.is_empty());
    let endpoint = endpoint.map_or(HUB.to_owned(), |endpoint| endpoint.trim_end_matches('/').to_owned());
    let fail = |problem: String| HubError::Download {
        id: id.to_owned(),
        endpoint: without_password(&endpoint, &endpoint),
        problem: without_password(&problem, &endpoint),
    };
    let builder = ApiBuilder::from_cache(Cache::new(cache)).with_endpoint(endpoint.clone()).with_token(token());
    let api = builder.with_retries(RETRIES).with_progress(false).build().map_err(|error| fail(explain(&error)))?;
    Repo { id, repo: api.model(id.to_owned()), progress }.get().map_err(fail)
}

/// The text without the name and password that an endpoint may hold.
fn without_password(text: &str, endpoint: &str) -> String {
    // A password may hold anything, so all up to the last `@` is taken to belong to it.
    let Some((front, _)) = endpoint.rsplit_once('@') else { return text.to_owned() };
    let credentials = front.split_once("//").map_or(front, |(_, credentials)| credentials);
    let password = credentials.split_once(':').map_or(credentials, |(_, password)| password);
    let text = text.replace(&format!("{credentials}@"), "");
    if password.is_empty() { text } else { text.replace(password, "***") }
}

/// `HF_TOKEN`, else what the file `HF_TOKEN_PATH` holds, else `token` in `HF_HOME`. A file that cannot be read is no token: most models
/// need none, and the hub says so of one that does.
fn token() -> Option<String> {
    let path = variable("HF_TOKEN_PATH").unwrap_or_else(|| home().join("token"));
    let said = std::env::var("HF_TOKEN").ok().filter(|token| !token.trim().is_empty());
    let token = said.or_else(|| fs_err::read_to_string(path).ok())?;
    Some(token.trim().to_owned()).filter(|token| !token.is_empty())
}

/// What went wrong and what to do about it.
fn explain(error: &ApiError) -> String {
    let status = match error {
        ApiError::TooManyRetries(error) => return explain(error),
        ApiError::RequestError(error) => match error.as_ref() {
            ureq::Error::StatusCode(status) => *status,
            other => {
                return format!(
                    "{other}; without a network, name a folder or a model that is in the local cache, and set HF_HUB_OFFLINE=1"
                );
            }
        },
        other => return other.to_string(),
    };
    match status {
        401 | 403 => {
            format!("status {status}: there is no such model, or it needs a token that may read it in HF_TOKEN")
        }
        404 => "status 404: there is no such model".to_owned(),
        other => format!("status {other}; try again later"),
    }
}

struct Repo<'a> {
    /// `owner/name`
    id: &'a str,
    repo: ApiRepo,
    progress: &'a dyn DownloadProgress,
}

impl Repo<'_> {
    fn get(&self) -> Result<(), String> {
        let info = self.repo.info().map_err(|error| explain(&error))?;
        let listed: BTreeSet<&str> = info.siblings.iter().map(|file| file.rfilename.as_str()).collect();
        if listed.contains(ADAPTER_CONFIG) {
            return Err(format!(
                "it holds an adapter ({ADAPTER_CONFIG}), which transformers would compute with; name its base model, and the adapter's \
                 folder with --adapter (`hf download {}` fetches it)",
                self.id
            ));
        }
        // Before gigabytes of weights: whether they are of a family that titer computes.
        let config = self.file(&listed, "config.json")?;
        let bytes = read_file(&config).map_err(|error| error.to_string())?;
        read_config(&bytes, Path::new("config.json")).map_err(|error| error.to_string())?;
        for file in FILES {
            self.file(&listed, file)?;
        }
        for file in WHERE_THERE.into_iter().chain(OTHER_TEMPLATES).filter(|file| listed.contains(file)) {
            self.file(&listed, file)?;
        }
        if listed.contains(SINGLE) || !listed.contains(INDEX) {
            return self.file(&listed, SINGLE).map(drop);
        }
        let index = fs_err::read(self.file(&listed, INDEX)?).map_err(|error| error.to_string())?;
        let index: serde_json::Value = serde_json::from_slice(&index).map_err(|error| format!("{INDEX}: {error}"))?;
        let shards = index["weight_map"].as_object().into_iter().flatten().filter_map(|(_, file)| file.as_str());
        shards.collect::<BTreeSet<_>>().into_iter().try_for_each(|shard| self.file(&listed, shard).map(drop))
    }

    /// One file of the model, downloaded unless it is here.
    fn file(&self, listed: &BTreeSet<&str>, name: &str) -> Result<PathBuf, String> {
        // What stands in an index must not lead out of the cache.
        let leads_out = !OTHER_TEMPLATES.contains(&name) && Path::new(name).components().count() != 1;
        if !listed.contains(name) || leads_out {
            return Err(format!("it has no {name}, which titer needs"));
        }
        let cached = super::cached(self.id).map(|folder| folder.join(name)).filter(|file| file.exists());
        if let Some(file) = cached {
            return Ok(file);
        }
        self.repo
            .download_with_progress(name, Bytes(self.progress))
            .map_err(|error| format!("{name}: {}", explain(&error)))
    }
}

/// Bytes of a file, for whoever shows them.
struct Bytes<'a>(&'a dyn DownloadProgress);

impl hf_hub::api::Progress for Bytes<'_> {
    fn init(&mut self, size: usize, file: &str) {
        self.0.start(file, size as u64);
    }

    fn update(&mut self, size: usize) {
        self.0.advance(size as u64);
    }

    fn finish(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_shown_nowhere() {
        for endpoint in ["https://me:se/cr@et@hub.example", "me:se/cr@et@hub.example", "https://se/cr@et@hub.example"] {
            let shown = without_password(endpoint, endpoint);
            assert!(shown.ends_with("hub.example") && !shown.contains("cr@et"), "{shown}");
            let problem = without_password(&format!("{endpoint}/api is gone, se/cr@et or not"), endpoint);
            assert!(problem.ends_with("hub.example/api is gone, *** or not"), "{problem}");
        }
        assert_eq!(without_password("https://hub.example", "https://hub.example"), "https://hub.example");
    }
}
