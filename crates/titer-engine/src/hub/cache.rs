//! The local cache of the hub, as other programs know it.

use std::path::{Path, PathBuf};

use titer::environment::variable;
use titer_model::io::WeightFiles;

/// Chat templates that some models have besides: in place of the one in its file, and for chats with tools.
pub(crate) const OTHER_TEMPLATES: [&str; 2] =
    ["additional_chat_templates/default.jinja", "additional_chat_templates/tool_use.jinja"];

/// Files that every model has besides its weights.
pub(super) const FILES: [&str; 3] = ["config.json", "tokenizer.json", "tokenizer_config.json"];

/// `HF_HOME`, else `~/.cache/huggingface`.
pub(super) fn home() -> PathBuf {
    let default = || variable("HOME").unwrap_or_default().join(".cache/huggingface");
    variable("HF_HOME").unwrap_or_else(default)
}

/// `HF_HUB_CACHE`, else `hub` in [`home`].
pub(super) fn cache() -> PathBuf {
    variable("HF_HUB_CACHE").unwrap_or_else(|| home().join("hub"))
}

/// Owner and name, where this can be a hub id.
pub(super) fn owner_and_name(id: &str) -> Option<(&str, &str)> {
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
pub(super) fn is_whole(folder: &Path) -> bool {
    WeightFiles::are_whole(folder) && FILES.iter().all(|file| folder.join(file).exists())
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
