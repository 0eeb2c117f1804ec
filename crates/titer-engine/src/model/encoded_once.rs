//! Rows and contrasts as a model's tokens: each is encoded once, however many runs train on it and measures are taken on it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use titer_data::{
    chat::Row,
    probe::Contrast,
    template::ChatTemplate,
    tokenize::{Encoded, EncodedContrast, TokenizeError, Tokenizer, encode_contrast, encode_row},
};

/// Rows, or contrasts, that are kept at most: the sweeps of many seeds go through many more than one run needs.
const MOST: usize = 100_000;

/// What has been encoded. Clones share it: they render and encode alike.
#[derive(Clone, Debug, Default)]
pub(crate) struct EncodedOnce {
    /// By what the row says, hashed.
    rows: Kept<[u8; blake3::OUT_LEN], Encoded>,
    contrasts: Kept<Contrast, EncodedContrast>,
}

type Kept<K, V> = Arc<Mutex<BTreeMap<K, Arc<V>>>>;

impl EncodedOnce {
    /// The tokens of a row, encoded when they are first asked for.
    ///
    /// # Errors
    /// Where it cannot be encoded.
    pub(super) fn row(
        &self,
        template: &ChatTemplate,
        tokenizer: &Tokenizer,
        row: &Row,
    ) -> Result<Arc<Encoded>, TokenizeError> {
        once(&self.rows, &said(row), || encode_row(template, tokenizer, row))
    }

    /// The tokens of a contrast, encoded when they are first asked for.
    ///
    /// # Errors
    /// Where it cannot be encoded.
    pub(super) fn contrast(
        &self,
        template: &ChatTemplate,
        tokenizer: &Tokenizer,
        contrast: &Contrast,
    ) -> Result<Arc<EncodedContrast>, TokenizeError> {
        once(&self.contrasts, contrast, || encode_contrast(template, tokenizer, contrast))
    }
}

/// A hash of all that decides a row's tokens and which of them are trained.
fn said(row: &Row) -> [u8; blake3::OUT_LEN] {
    let mut hasher = blake3::Hasher::new();
    serde_json::to_writer(&mut hasher, &(&row.messages, &row.untrained, &row.variables)).expect("JSON has all of it");
    hasher.finalize().into()
}

/// What is kept under a key, or what `encode` gives. Others go on meanwhile.
fn once<K: Ord + Clone, V, E>(
    kept: &Mutex<BTreeMap<K, Arc<V>>>,
    key: &K,
    encode: impl FnOnce() -> Result<V, E>,
) -> Result<Arc<V>, E> {
    let locked = || kept.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(encoded) = locked().get(key) {
        return Ok(Arc::clone(encoded));
    }
    let encoded = Arc::new(encode()?);
    let mut kept = locked();
    if kept.len() >= MOST {
        kept.clear();
    }
    kept.insert(key.clone(), Arc::clone(&encoded));
    Ok(encoded)
}
