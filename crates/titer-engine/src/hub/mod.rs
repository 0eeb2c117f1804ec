//! Models of the Hugging Face hub: where they lie on this machine and, with the feature `hub`, how they get there.
//!
//! Only [`fetch`] ever uses the network; everything else reads the local cache, which is the one of transformers.

#[cfg(feature = "hub")]
mod download;

use std::path::{Path, PathBuf};

use titer_model::io::weight_files;

/// Files that every model has besides its weights.
const FILES: [&str; 3] = ["config.json", "tokenizer.json", "tokenizer_config.json"];

/// Why a model is not on this machine.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// It would have to be downloaded, and the user does not want that.
    #[error(
        "`{id}` is no folder here, nor whole in the local hub cache {cache}, and HF_HUB_OFFLINE is set; unset it to download the \
         model, or name a folder"
    )]
    Offline {
        /// The model.
        id: String,
        /// The cache.
        cache: PathBuf,
    },
    /// It would have to be downloaded, and this program cannot do that.
    #[error(
        "`{id}` is no folder here, nor whole in the local hub cache {cache}, and this titer was built without the feature `hub`; \
         download the model with `hf download {id}`, or name a folder"
    )]
    CannotDownload {
        /// The model.
        id: String,
        /// The cache.
        cache: PathBuf,
    },
    /// It cannot be downloaded.
    #[error("`{id}` is no folder here, and cannot be downloaded from {endpoint}: {problem}")]
    Download {
        /// The model.
        id: String,
        /// The hub.
        endpoint: String,
        /// What went wrong, and a remedy.
        problem: String,
    },
}

/// Is told how a download advances.
pub trait Progress {
    /// A file of this many bytes begins, anew or where it was broken off.
    fn start(&self, file: &str, bytes: u64);

    /// So many more of its bytes are here.
    fn advance(&self, bytes: u64);
}

/// An environment variable that is not empty.
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// `HF_HOME`, else `~/.cache/huggingface`.
fn home() -> PathBuf {
    let default = || variable("HOME").unwrap_or_default().join(".cache/huggingface");
    variable("HF_HOME").unwrap_or_else(default)
}

/// `HF_HUB_CACHE`, else `hub` in [`home`].
fn cache() -> PathBuf {
    variable("HF_HUB_CACHE").unwrap_or_else(|| home().join("hub"))
}

/// Owner and name, where this can be a hub id.
fn owner_and_name(id: &str) -> Option<(&str, &str)> {
    let (owner, name) = id.split_once('/')?;
    let sound = |part: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        !part.is_empty() && !part.starts_with('.') && part.chars().all(known)
    };
    (sound(owner) && sound(name)).then_some((owner, name))
}

/// The folder of the newest snapshot of `owner/name` in the local hub cache: `HF_HUB_CACHE`, else `hub` in `HF_HOME`, else
/// `~/.cache/huggingface/hub`. `None` where `id` is no hub id or is not there.
pub fn cached(id: &str) -> Option<PathBuf> {
    snapshot(&cache(), id)
}

fn snapshot(cache: &Path, id: &str) -> Option<PathBuf> {
    let (owner, name) = owner_and_name(id)?;
    let model = cache.join(format!("models--{owner}--{name}"));
    // Without it the model is not there, and `fetch` says so or downloads it.
    let commit = fs_err::read_to_string(model.join("refs/main")).ok()?;
    Some(model.join("snapshots").join(commit.trim())).filter(|folder| folder.is_dir())
}

/// Whether nothing is missing of a model: a download may have been broken off.
fn is_whole(folder: &Path) -> bool {
    let weights = weight_files(folder).is_ok_and(|files| files.iter().all(|file| file.exists()));
    weights && FILES.iter().all(|file| folder.join(file).exists())
}

/// Sees to it that the model behind `base` is on this machine, if it is one of the hub: from the local cache where it is whole
/// there, else downloaded into it. Does nothing for a folder, or for what can be no hub id.
///
/// Honours `HF_HUB_CACHE` and `HF_HOME`, `HF_ENDPOINT`, `HF_TOKEN` (else the file `HF_TOKEN_PATH`, else `token` in
/// `HF_HOME`) and `HF_HUB_OFFLINE`.
///
/// # Errors
/// Where it is not here and cannot or must not be downloaded.
pub fn fetch(base: &str, progress: &dyn Progress) -> Result<(), HubError> {
    let here = Path::new(base).exists() || cached(base).is_some_and(|folder| is_whole(&folder));
    if here || owner_and_name(base).is_none() {
        return Ok(());
    }
    let (id, cache) = (base.to_owned(), cache());
    let offline = variable("HF_HUB_OFFLINE").and_then(|value| value.into_os_string().into_string().ok());
    if offline.is_some_and(|value| ["1", "on", "yes", "true"].contains(&value.to_lowercase().as_str())) {
        return Err(HubError::Offline { id, cache });
    }
    get(&id, cache, progress)
}

#[cfg(feature = "hub")]
use download::get;

#[cfg(not(feature = "hub"))]
fn get(id: &str, cache: PathBuf, _: &dyn Progress) -> Result<(), HubError> {
    Err(HubError::CannotDownload { id: id.to_owned(), cache })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_found_by_the_commit_of_main() {
        let cache = tempfile::tempdir().unwrap();
        let model = cache.path().join("models--lab--small");
        fs_err::create_dir_all(model.join("snapshots/abc")).unwrap();
        fs_err::create_dir_all(model.join("refs")).unwrap();
        assert_eq!(snapshot(cache.path(), "lab/small"), None);
        fs_err::write(model.join("refs/main"), "abc\n").unwrap();
        assert_eq!(snapshot(cache.path(), "lab/small"), Some(model.join("snapshots/abc")));
        for other in ["lab/other", "lab", "lab/small/x", "/small", "../small"] {
            assert_eq!(snapshot(cache.path(), other), None, "{other}");
        }
    }

    #[test]
    fn paths_are_no_hub_ids() {
        for id in ["Qwen/Qwen2.5-0.5B-Instruct", "lab/small_1.0"] {
            assert!(owner_and_name(id).is_some(), "{id}");
        }
        for path in ["organism", "./model", "../model", "a/b/c", "/model", "runs/", "a b/c", "runs/.hidden"] {
            assert!(owner_and_name(path).is_none(), "{path}");
        }
    }
}
