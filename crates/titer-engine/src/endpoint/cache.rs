//! Answers that were paid for, kept by what was asked.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde_json::{Value, json};

/// A hash of what was asked.
pub(super) type AskedKey = String;

/// A file of answers, a line each, to which every answer is added when it comes: what was interrupted goes on behind the last.
#[derive(Debug)]
pub(super) struct Cache {
    path: PathBuf,
    known: Mutex<BTreeMap<AskedKey, Value>>,
    file: Mutex<fs_err::File>,
}

impl Cache {
    /// The answers in a folder of a server's model, which is made where it is missing.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub(super) fn open(folder: &Path, url: &str, model: &str) -> io::Result<Self> {
        fs_err::create_dir_all(folder)?;
        let name = blake3::hash(format!("{url}\n{model}").as_bytes()).to_hex();
        let path = folder.join(format!("{}.jsonl", &name[..16]));
        // A line that is damaged is one that is asked for again, as one is that was being written when the process ended.
        let bytes = if path.exists() { fs_err::read(&path)? } else { Vec::new() };
        let text = String::from_utf8_lossy(&bytes);
        let mut known = BTreeMap::new();
        for line in text.lines() {
            let Ok(mut line) = serde_json::from_str::<Value>(line) else { continue };
            let answer = line["answer"].take();
            if let Some(key) = line["asked"].as_str().filter(|_| !answer.is_null()) {
                known.insert(key.to_owned(), answer);
            }
        }
        let mut file = fs_err::OpenOptions::new().append(true).create(true).open(&path)?;
        if !text.is_empty() && !text.ends_with('\n') {
            file.write_all(b"\n")?;
        }
        Ok(Self { path, known: Mutex::new(known), file: Mutex::new(file) })
    }

    /// Where answers are.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What was asked, as a key.
    pub(super) fn key(context: &[u32], reply: &[u32]) -> AskedKey {
        let mut hasher = blake3::Hasher::new();
        for tokens in [context, reply] {
            hasher.update(&(tokens.len() as u64).to_le_bytes());
            for token in tokens {
                hasher.update(&token.to_le_bytes());
            }
        }
        hasher.finalize().to_hex().to_string()
    }

    /// The answer, where it is known.
    pub(super) fn get(&self, key: &str) -> Option<Value> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Keeps an answer.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub(super) fn put(&self, key: AskedKey, answer: Value) -> io::Result<()> {
        let line = format!("{}\n", json!({ "asked": key, "answer": answer }));
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes())?;
        self.remember(key, answer);
        Ok(())
    }

    /// Knows an answer without keeping it.
    pub(super) fn remember(&self, key: AskedKey, answer: Value) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(key, answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_line_is_asked_for_again_and_loses_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Cache::open(dir.path(), "http://there", "m").unwrap();
        let path = {
            let cache = open();
            for (key, answer) in [("a", 1), ("b", 2), ("c", 3)] {
                cache.put(key.to_owned(), answer.into()).unwrap();
            }
            cache.path().to_owned()
        };
        let mut bytes = fs_err::read(&path).unwrap();
        let second = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 12;
        bytes[second] = 0xff;
        fs_err::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let cache = open();
        assert_eq!((cache.get("a"), cache.get("b"), cache.get("c")), (Some(1.into()), None, Some(3.into())));
        cache.put("d".to_owned(), 4.into()).unwrap();
        assert_eq!((open().get("c"), open().get("d")), (Some(3.into()), Some(4.into())));
    }
}
