//! Where a model of the Hugging Face hub lies on this machine, if it was downloaded before.

use std::path::{Path, PathBuf};

/// The folder of the newest snapshot of `owner/name` in the local hub cache: `HF_HUB_CACHE`, else `hub` in `HF_HOME`, else
/// `~/.cache/huggingface/hub`. `None` where `id` is no hub id or is not there.
pub fn cached(id: &str) -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = variable("HF_HUB_CACHE")
        .or_else(|| Some(variable("HF_HOME")?.join("hub")))
        .or_else(|| Some(variable("HOME")?.join(".cache/huggingface/hub")))?;
    snapshot(&cache, id)
}

fn snapshot(cache: &Path, id: &str) -> Option<PathBuf> {
    let (owner, name) = id.split_once('/')?;
    if owner.is_empty() || name.is_empty() || name.contains('/') || owner.starts_with('.') {
        return None;
    }
    let model = cache.join(format!("models--{owner}--{name}"));
    let commit = fs_err::read_to_string(model.join("refs/main")).ok()?;
    Some(model.join("snapshots").join(commit.trim())).filter(|folder| folder.is_dir())
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
}
