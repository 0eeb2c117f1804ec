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
        let text = if path.exists() { fs_err::read_to_string(&path)? } else { String::new() };
        let mut known = BTreeMap::new();
        for line in text.lines() {
            // A line that was being written when the process ended is asked for again.
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
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(key, answer);
        Ok(())
    }
}
