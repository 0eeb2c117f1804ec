//! The tokenizer of a model: text to token ids and back.

use std::{path::Path, sync::Arc};

use super::TokenizeError;

/// A tokenizer that adds nothing of its own: templates write the special tokens. A clone shares it.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: Arc<tokenizers::Tokenizer>,
}

impl Tokenizer {
    /// The tokenizer in the bytes of a `tokenizer.json`; `place` says in errors where it is from.
    pub fn from_json(json: &[u8], place: &str) -> Result<Self, TokenizeError> {
        Self::load(json, place.to_owned())
    }

    /// The tokenizer in a `tokenizer.json` file.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, TokenizeError> {
        let path = path.as_ref();
        let place = path.display().to_string();
        let bytes = fs_err::read(path)
            .map_err(|error| TokenizeError::Load { place: place.clone(), reason: error.to_string() })?;
        Self::load(&bytes, place)
    }

    fn load(bytes: &[u8], place: String) -> Result<Self, TokenizeError> {
        let mut inner = tokenizers::Tokenizer::from_bytes(bytes)
            .map_err(|error| TokenizeError::Load { place: place.clone(), reason: error.to_string() })?;
        // A file may ask for either, and both would silently change rows.
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|error| TokenizeError::Load { place, reason: error.to_string() })?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// How many tokens there are, added ones included.
    pub fn vocabulary_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The id of a token.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The token of an id.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The text of tokens, special ones included.
    pub fn decode(&self, tokens: &[u32]) -> Result<String, TokenizeError> {
        self.inner
            .decode(tokens, false)
            .map_err(|error| TokenizeError::Encode { id: "decoding".to_owned(), reason: error.to_string() })
    }

    /// The tokens of a text, and the bytes that each stands for.
    pub(super) fn encode(&self, text: &str, id: &str) -> Result<tokenizers::Encoding, TokenizeError> {
        self.inner
            .encode(text, false)
            .map_err(|error| TokenizeError::Encode { id: id.to_owned(), reason: error.to_string() })
    }
}
